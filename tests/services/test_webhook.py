"""The webhook: CloudEvents to a real HTTP server, in order, each change at least once."""

import asyncio
import contextlib
import hashlib
import hmac
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from longshore.app import build_service
from longshore.dicomweb import webhook as requests
from longshore.dicomweb.webhook import EventSource, open_receiver
from longshore.index.changes import Change
from longshore.index.webhook import begin, webhook_turn
from longshore.services import webhook
from longshore.services.webhook import WebhookRules, tell_forever
from longshore.settings import SettingError, Settings, settings_from
from tests.services.shop import Shop
from tests.support import synthetic
from tests.support.receiver import CUT, HANG, Receiver

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

SOURCE = EventSource("pacs.example:8080", is_partitioned=False)
EVENTS = 10_000
END_TURNS = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.listening():
        yield receiver


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_S", "TURN_POLL_S", "RETRY_S_MIN"):
        monkeypatch.setattr(webhook, name, 0.02)


@contextlib.asynccontextmanager
async def telling(
    shop: Shop, receiver: Receiver, *, batch_count_max: int = 1, secret: str = ""
) -> AsyncGenerator[None]:
    """Tells changes within the block, as one process of a service."""
    rules = WebhookRules(batch_count_max=batch_count_max, retry_s_max=0.1)
    async with open_receiver(
        receiver.url, secret=secret, source=SOURCE, is_batched=batch_count_max > 1
    ) as client:
        task = asyncio.create_task(tell_forever(shop.database, client.deliver, rules))
        try:
            yield
        finally:
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=10)
            assert done, "one cancellation is enough"


async def until(receiver: Receiver, is_so: Callable[[], bool]) -> None:
    await asyncio.to_thread(receiver.wait, is_so)


async def came(receiver: Receiver, count: int) -> None:
    await until(receiver, lambda: len(receiver.accepted) >= count)


async def test_events_are_cloud_events_of_the_model(local_shop: Shop, receiver: Receiver) -> None:
    await begin(local_shop.database)
    async with telling(local_shop, receiver):
        await local_shop.store([1])
        await local_shop.delete(synthetic.path(1))
        await came(receiver, 2)
    changes = (await local_shop.client.get("/v2/changefeed")).json()
    study, series, instance = synthetic.uids(1)
    for change, event, kind in zip(
        changes, receiver.accepted, ["DicomImageCreated", "DicomImageDeleted"], strict=True
    ):
        assert len(event.pop("id")) == 36
        when = datetime.fromisoformat(event["time"])
        assert event.pop("time").endswith("Z")
        assert when == datetime.fromisoformat(change["timestamp"])
        assert event == {
            "specversion": "1.0",
            "source": "//pacs.example:8080",
            "type": f"Microsoft.HealthcareApis.{kind}",
            "subject": f"pacs.example:8080/v1/studies/{study}/series/{series}/instances/{instance}",
            "datacontenttype": "application/json",
            "dataversion": "1",
            "metadataversion": "1",
            "data": {
                "partitionName": "Microsoft.Default",
                "imageStudyInstanceUid": study,
                "imageSeriesInstanceUid": series,
                "imageSopInstanceUid": instance,
                "serviceHostName": "pacs.example:8080",
                "sequenceNumber": change["sequence"],
            },
        }
    for request in receiver.requests:
        assert request.path == "/hook?key=hush"
        assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
        assert requests.SIGNATURE_HEADER not in request.headers


def change(watermark: int, action: str = "create", **more: str) -> Change:
    return Change(
        watermark=watermark,
        changed_at=datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC),
        partition_name=more.get("partition_name", "Microsoft.Default"),
        study_uid="1",
        series_uid="2",
        sop_instance_uid="3",
        action=action,
        state="current",
        located=None,
    )


def test_updates_and_partitions_have_events_too() -> None:
    source = replace(SOURCE, is_partitioned=True)
    event = requests.event(change(7, "update", partition_name="second"), source)
    assert event["type"] == "Microsoft.HealthcareApis.DicomImageUpdated"
    path = "/v1/partitions/second/studies/1/series/2/instances/3"
    assert event["subject"] == f"pacs.example:8080{path}"
    assert event["data"]["partitionName"] == "second"
    assert event["data"]["sequenceNumber"] == 7


def test_the_same_change_has_the_same_id_and_no_other_has() -> None:
    events = [requests.event(change(n), SOURCE) for n in (1, 1, 2)]
    assert events[0] == events[1]
    assert events[0]["id"] != events[2]["id"]


async def test_a_secret_signs_the_body(local_shop: Shop, receiver: Receiver) -> None:
    await begin(local_shop.database)
    async with telling(local_shop, receiver, secret="s3cret"):  # noqa: S106
        await local_shop.store([1])
        await came(receiver, 1)
    (request,) = receiver.requests
    digest = hmac.new(b"s3cret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Hub-Signature-256"] == f"sha256={digest}"


async def test_it_begins_where_it_was_switched_on_first(
    local_shop: Shop, receiver: Receiver
) -> None:
    await local_shop.store([1, 2])
    await begin(local_shop.database)
    await local_shop.store([3])
    await begin(local_shop.database)  # any further start changes nothing
    async with telling(local_shop, receiver):
        await came(receiver, 1)
    await local_shop.store([4])  # while it is off
    async with telling(local_shop, receiver):
        await came(receiver, 2)
    assert receiver.sequences == [3, 4]


@pytest.mark.parametrize("batch_count_max", [1, 4])
async def test_what_fails_is_told_again_and_nothing_overtakes_it(
    local_shop: Shop,
    receiver: Receiver,
    batch_count_max: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(requests, "REQUEST_S_MAX", 0.3)
    receiver.statuses.extend([500, 204, 503, 404, HANG, 302, 410, CUT, 200, 202, 429, 413])
    await begin(local_shop.database)
    await local_shop.store(range(1, 11))
    with caplog.at_level(logging.WARNING):
        async with telling(local_shop, receiver, batch_count_max=batch_count_max):
            await came(receiver, 10)
    assert receiver.sequences == list(range(1, 11))
    firsts = [each.events[0]["data"]["sequenceNumber"] for each in receiver.requests]
    assert firsts == sorted(firsts), "nothing was tried before what came before it was taken"
    assert "the webhook's receiver answered 500" in caplog.text
    assert "changes 1 to" in caplog.text
    assert "hush" not in caplog.text
    assert all(each.path != "/elsewhere" for each in receiver.requests), "no redirect is followed"


async def test_a_receiver_that_is_not_there_yet(local_shop: Shop) -> None:
    receiver = Receiver()
    await begin(local_shop.database)
    await local_shop.store([1, 2, 3])
    async with telling(local_shop, receiver):
        await asyncio.sleep(0.5)  # refused connections
        with receiver.listening():
            await came(receiver, 3)
    assert receiver.sequences == [1, 2, 3]


async def test_a_stop_moves_the_position_as_far_as_the_receiver_came(
    local_shop: Shop, receiver: Receiver
) -> None:
    await begin(local_shop.database)
    await local_shop.store(range(1, 11))
    receiver.statuses.extend([204] * 4 + [HANG])
    async with telling(local_shop, receiver):
        await until(receiver, lambda: len(receiver.requests) == 5)
    async with telling(local_shop, receiver):
        await came(receiver, 10)
    assert receiver.sequences == list(range(1, 11))
    assert len(receiver.requests) == 11


async def test_several_processes_tell_each_change_once(
    local_shop: Shop, receiver: Receiver
) -> None:
    await begin(local_shop.database)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(telling(local_shop, receiver))
        await local_shop.store(range(1, 31))
        await came(receiver, 30)
        await asyncio.sleep(0.2)
    assert receiver.sequences == list(range(1, 31))


async def test_who_loses_the_turn_stops_and_another_goes_on(
    local_shop: Shop, receiver: Receiver
) -> None:
    """PostgreSQL ends the session that holds the turn: whoever gets it next goes on in order."""
    await begin(local_shop.database)
    async with telling(local_shop, receiver), telling(local_shop, receiver):
        for number in range(1, 16):
            await local_shop.store([number])
            if number % 3 == 0:
                with psycopg.connect(local_shop.settings.database) as connection:
                    connection.execute(END_TURNS)
            await came(receiver, number)
        # What came twice counts there, too.
        await until(receiver, lambda: set(receiver.sequences) == set(range(1, 16)))
    assert sorted(set(receiver.sequences)) == list(range(1, 16))
    firsts = list(dict.fromkeys(receiver.sequences))
    assert firsts == list(range(1, 16))


async def test_it_stops_where_its_connection_is_lost_in_that_moment(
    local_shop: Shop, receiver: Receiver
) -> None:
    """The error that the lost connection gives does not take the place of the stop."""
    await begin(local_shop.database)
    receiver.statuses.extend([204, HANG])
    await local_shop.store([1, 2])
    async with telling(local_shop, receiver):
        await until(receiver, lambda: len(receiver.requests) == 2)
        with psycopg.connect(local_shop.settings.database) as connection:
            connection.execute(END_TURNS)
    # The first change was taken, but the position could not say so.
    async with telling(local_shop, receiver):
        await came(receiver, 3)
    assert receiver.sequences == [1, 1, 2]


async def test_the_position_never_moves_back(local_shop: Shop) -> None:
    await begin(local_shop.database)
    async with webhook_turn(local_shop.database) as turn:
        assert turn is not None
        await turn.move(start=0, end=5)
        assert await turn.position() == 5
        for start, end in ((0, 6), (5, 5), (5, 4)):
            with pytest.raises(Exception, match="another process"):
                await turn.move(start=start, end=end)
        assert await turn.position() == 5


def add_changes(dsn: str, count: int) -> None:
    """Adds changes of instances that are gone, as if they had been stored and deleted."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO deleted_instance SELECT n, now(), '1.2', '1.2.3', '1.2.3.' || n"
            " FROM generate_series(1, %s) AS n",
            [count],
        )
        connection.execute(
            "INSERT INTO change (watermark, changed_at, instance_key, partition_key, action)"
            " SELECT n, now(), n, 1, 0 FROM generate_series(1, %s) AS n",
            [count],
        )
        connection.execute("UPDATE change_head SET watermark = %s", [count])


@pytest.mark.parametrize("batch_count_max", [1, 100])
async def test_ten_thousand_events(
    local_shop: Shop, receiver: Receiver, batch_count_max: int
) -> None:
    await begin(local_shop.database)
    add_changes(local_shop.settings.database, EVENTS)
    async with telling(local_shop, receiver, batch_count_max=batch_count_max):
        await came(receiver, EVENTS)
    assert receiver.sequences == list(range(1, EVENTS + 1))
    assert len(receiver.requests) == EVENTS // batch_count_max
    if batch_count_max > 1:
        types = {request.headers["Content-Type"] for request in receiver.requests}
        assert types == {"application/cloudevents-batch+json; charset=utf-8"}
    assert len({event["id"] for event in receiver.accepted}) == EVENTS


async def test_the_service_tells_what_it_stores_from_its_first_request_on(
    local_shop: Shop, receiver: Receiver
) -> None:
    await local_shop.store([1])
    settings = replace(local_shop.settings, webhook_url=receiver.url, host_name="pacs.example")
    app = build_service(settings)
    async with app.router.lifespan_context(app):
        await local_shop.store([2])
        await came(receiver, 1)
    (event,) = receiver.accepted
    assert event["data"]["sequenceNumber"] == 2
    assert event["data"]["serviceHostName"] == "pacs.example"


@pytest.mark.parametrize("url", ["pacs.example/hook", "ftp://x/", "http://"])
def test_a_webhook_without_a_scheme_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"^--webhook-url: expected http:// or https://"):
        settings_from({}, {"webhook_url": url})


def test_its_secrets_are_not_shown() -> None:
    settings = Settings(webhook_url="https://u:hush@x/", webhook_secret="hush")  # noqa: S106
    assert "hush" not in repr(settings)
