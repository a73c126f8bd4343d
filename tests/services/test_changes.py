"""Delete and the change feed as a client sees them, over a real index and storage.

Numbers in test names are lines of the reference's acceptance checklist, or rows of its table 1.2.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.shop import Shop
from tests.support import synthetic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

STUDY = f"/studies/{synthetic.uids(1)[0]}"
SERIES = f"{STUDY}/series/{synthetic.uids(1)[1]}"
INSTANCE = synthetic.path(1)


async def feed(shop: Shop, query: str = "", version: int = 2) -> list[dict[str, Any]]:
    answer = await shop.client.get(f"/v{version}/changefeed{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def sequences(shop: Shop, query: str = "", version: int = 2) -> list[int]:
    return [entry["sequence"] for entry in await feed(shop, query, version)]


async def histories(shop: Shop) -> list[str]:
    return [f"{entry['action']}/{entry['state']}" for entry in await feed(shop)]


@pytest.mark.parametrize(
    ("path", "level"), [(STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance")]
)
async def test_line_107_deleted_is_gone_at_once_and_a_second_time_is_404(
    local_shop: Shop, path: str, level: str
) -> None:
    await local_shop.store([1])
    await local_shop.store_together((2, 1))
    if level != "study":  # its parents stay, so that the level that is missing is told
        await local_shop.store([2])
    answer = await local_shop.client.delete(f"/v2{path}")
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (path, f"{path}/metadata"):
        assert (await local_shop.client.get(f"/v2{gone}")).status_code == 404
    uid = path.rpartition("/")[2]
    keyword = {"study": "Study", "series": "Series", "instance": "SOP"}[level] + "InstanceUID"
    resource = (
        level if level == "series" else f"{level[:-1]}ies" if level == "study" else "instances"
    )
    assert (await local_shop.client.get(f"/v2/{resource}?{keyword}={uid}")).status_code == 204
    again = await local_shop.client.delete(f"/v2{path}")
    assert again.status_code == 404
    assert again.text == f"The specified {level} cannot be found."


async def test_line_108_others_of_its_series_and_study_stay(shop: Shop) -> None:
    await shop.store_together((1, 1), (1, 2), (2, 1))
    await shop.delete(INSTANCE)
    await shop.check_answers()
    await shop.delete(synthetic.path(2))  # the last of its series, which goes with it
    await shop.check_answers()
    assert (await shop.client.get(f"/v2{SERIES}")).status_code == 404
    assert len((await shop.client.get(f"/v2{STUDY}/series")).json()) == 1
    await shop.delete(synthetic.path(1, series=2))  # the last of its study
    assert (await shop.client.get("/v2/studies")).status_code == 204


@pytest.mark.parametrize(
    "path", ["/studies/x", "/studies/1.2/series/x", "/studies/1.2/series/1.3/instances/x"]
)
async def test_line_109_a_bad_uid_is_400(local_shop: Shop, path: str) -> None:
    assert (await local_shop.client.delete(f"/v2{path}")).status_code == 400


async def test_line_110_what_was_deleted_can_be_stored_again(shop: Shop) -> None:
    for _ in range(3):
        await shop.store([1])
        await shop.check_answers()
        await shop.delete(INSTANCE)
    await shop.store([1])
    await shop.check_answers()
    assert await sequences(shop) == list(range(1, 8)), "one entry for each, no more"


@pytest.mark.parametrize("version", [1, 2])
async def test_a_delete_tells_each_of_its_instances_once(local_shop: Shop, version: int) -> None:
    await local_shop.store_together((1, 1), (1, 2), (2, 1))
    await local_shop.client.delete(f"/v{version}{STUDY}")
    await local_shop.client.delete(f"/v{version}{STUDY}")
    entries = await feed(local_shop, version=version)
    assert [entry["action"] for entry in entries] == ["Create"] * 3 + ["Delete"] * 3
    created, deleted = ({e["sopInstanceUid"] for e in entries[i : i + 3]} for i in (0, 3))
    assert created == deleted


async def test_refused_instances_are_not_told(local_shop: Shop) -> None:
    await local_shop.store([1])
    for body in (synthetic.ct(1, note="another"), b"garbage"):
        headers = {"Content-Type": "application/dicom"}
        answer = await local_shop.client.post("/v2/studies", content=body, headers=headers)
        assert answer.status_code == 409
    assert await sequences(local_shop) == [1]


@pytest.mark.parametrize("first", [1, 6])
async def test_line_111_v1_returns_ten_in_order_with_metadata(shop: Shop, first: int) -> None:
    await shop.store(range(1, first + 12))
    entries = await feed(shop, f"?offset={first - 1}", version=1)
    assert [entry["sequence"] for entry in entries] == list(range(first, first + 10))
    for number, entry in enumerate(entries, first):
        study, series, instance = synthetic.uids(number)
        assert (entry["studyInstanceUid"], entry["seriesInstanceUid"]) == (study, series)
        assert entry["sopInstanceUid"] == instance
        assert (entry["action"], entry["state"]) == ("Create", "Current")
        assert entry["metadata"]["00080018"]["Value"] == [instance]
        assert "7FE00010" not in entry["metadata"]


async def test_rows_9_to_12_v1_offset_is_a_sequence_and_limit_a_window(local_shop: Shop) -> None:
    await local_shop.store(range(1, 31))
    assert await sequences(local_shop, version=1) == list(range(1, 11))
    assert await sequences(local_shop, "?limit=100", version=1) == list(range(1, 31))
    assert await sequences(local_shop, "?offset=7&limit=3", version=1) == [8, 9, 10]
    assert await sequences(local_shop, "?offset=29&limit=3", version=1) == [30]
    assert await sequences(local_shop, "?offset=30", version=1) == []
    never = "?startTime=never&endTime=2000-01-01T00:00:00Z"
    assert await sequences(local_shop, never, version=1) == list(range(1, 11)), "v2's alone"


async def test_rows_9_to_12_v2_offset_is_a_number_of_rows(local_shop: Shop) -> None:
    await local_shop.store(range(1, 106))
    assert await sequences(local_shop) == list(range(1, 101))
    assert await sequences(local_shop, "?limit=200") == list(range(1, 106))
    assert await sequences(local_shop, "?offset=100") == [101, 102, 103, 104, 105]
    start = (await feed(local_shop, "?offset=49&limit=1"))[0]["timestamp"]
    window = f"?startTime={quote(start)}&offset=10&limit=2"
    assert await sequences(local_shop, window) == [60, 61], "rows of the window, no sequences"
    entries = await feed(local_shop, "?limit=200")
    keys = [(entry["timestamp"], entry["sequence"]) for entry in entries]
    assert keys == sorted(keys)


async def test_line_112_v2_returns_what_is_inside_the_window(shop: Shop) -> None:
    times: list[datetime] = []
    for number in range(1, 7):
        await shop.store([number])
        (entry,) = await feed(shop, f"?offset={number - 1}")
        times.append(datetime.fromisoformat(entry["timestamp"]))
    assert times == sorted(times)
    assert all(each.utcoffset() == timedelta(0) for each in times)
    start, end = (quote(each.isoformat()) for each in (times[1], times[4]))
    window = f"startTime={start}&endTime={end}"
    assert await sequences(shop, f"?{window}") == [2, 3, 4], "the start belongs to it, not the end"
    assert await sequences(shop, f"?{window}&offset=1&limit=1") == [3]
    assert await sequences(shop, f"?{window}&offset=3") == []
    assert await sequences(shop, f"?startTime={end}") == [5, 6]
    assert await sequences(shop, f"?endTime={start}") == [1]
    # The same moment, as another zone has it.
    zone = times[4].astimezone(UTC).replace(tzinfo=None) + timedelta(hours=5, minutes=30)
    other = quote(f"{zone.isoformat()}+05:30")
    assert await sequences(shop, f"?startTime={other}") == [5, 6]


async def test_line_113_states_of_stored_deleted_and_stored_again(shop: Shop) -> None:
    await shop.store([1])
    assert await histories(shop) == ["Create/Current"]
    await shop.delete(INSTANCE)
    assert await histories(shop) == ["Create/Deleted", "Delete/Deleted"]
    await shop.store([1])
    assert await histories(shop) == ["Create/Replaced", "Delete/Replaced", "Create/Current"]
    entries = await feed(shop)
    assert [entry["metadata"] for entry in entries] == [entries[2]["metadata"]] * 3, (
        "always the current version's"
    )
    await shop.delete(INSTANCE)
    assert await histories(shop) == [f"{each}/Deleted" for each in ["Create", "Delete"] * 2]
    assert all("metadata" not in entry for entry in await feed(shop))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("word", ["false", "False", "FALSE"])
async def test_line_114_without_metadata(local_shop: Shop, version: int, word: str) -> None:
    await local_shop.store([1])
    path = f"/v{version}/changefeed"
    for query in (f"includeMetadata={word}", f"INCLUDEMETADATA={word}"):
        (entry,) = (await local_shop.client.get(f"{path}?{query}")).json()
        assert "metadata" not in entry
        assert "metadata" not in (await local_shop.client.get(f"{path}/latest?{query}")).json()
    (entry,) = (await local_shop.client.get(f"{path}?includeMetadata=TRUE")).json()
    assert entry["metadata"]["00080018"]["Value"] == [synthetic.uids(1)[2]]


BAD = {
    1: ["limit=0", "limit=-1", "limit=101", "limit=x", "limit=1.5", "limit="],
    2: [
        "limit=0", "limit=-1", "limit=201", "limit=x",
        "startTime=2023-05-03T10:58:00", "endTime=2023-05-03T10:58:00", "startTime=yesterday",
        "endTime=2023-13-01T00:00:00Z", "endTime=0001-01-01T00:00:00Z",
        "startTime=2023-05-03T10:58:00Z&endTime=2023-05-03T10:58:00Z",
        "startTime=2023-05-03T10:58:01Z&endTime=2023-05-03T10:58:00Z",
        "startTime=2023-05-03T10:58:00+00:00",
    ],
}  # fmt: skip
OF_BOTH = ["offset=-1", "offset=x", "offset=9223372036854775808", "includeMetadata=0",
           "includeMetadata=1", "includeMetadata=true-ish", "includeMetadata="]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "query"),
    [(version, query) for version in BAD for query in (*BAD[version], *OF_BOTH)],
)
async def test_line_115_bad_parameters(local_shop: Shop, version: int, query: str) -> None:
    answer = await local_shop.client.get(f"/v{version}/changefeed?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(("The query parameter '", "The start time '"))
    if query.startswith("includeMetadata"):
        latest = await local_shop.client.get(f"/v{version}/changefeed/latest?{query}")
        assert latest.status_code == 400


@pytest.mark.parametrize("version", ["1.0-prerelease", "1", "2"])
async def test_line_116_the_latest(shop: Shop, version: str) -> None:
    path = f"/v{version}/changefeed/latest"
    empty = await shop.client.get(path)
    assert (empty.status_code, empty.content) == (204, b"")
    await shop.store([1, 2])
    answer = await shop.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == (await feed(shop))[1]
    await shop.delete(INSTANCE)
    latest = (await shop.client.get(path)).json()
    assert (latest["sequence"], latest["action"], latest["state"]) == (3, "Delete", "Deleted")
    assert "metadata" not in latest


@pytest.mark.parametrize("version", [1, 2])
async def test_line_117_names_on_the_wire(shop: Shop, version: int) -> None:
    before = datetime.now(UTC)
    await shop.store([1])
    (entry,) = await feed(shop, version=version)
    study, series, instance = synthetic.uids(1)
    stamp = datetime.fromisoformat(entry.pop("timestamp"))
    assert before - timedelta(seconds=60) < stamp < datetime.now(UTC) + timedelta(seconds=60)
    assert entry.pop("metadata")["00080018"] == {"vr": "UI", "Value": [instance]}
    assert entry == {
        "sequence": 1,
        "partitionName": "Microsoft.Default",
        "studyInstanceUid": study,
        "seriesInstanceUid": series,
        "sopInstanceUid": instance,
        "action": "Create",
        "state": "Current",
    }


@pytest.mark.parametrize("version", [1, 2])
async def test_an_empty_feed_is_an_empty_array(local_shop: Shop, version: int) -> None:
    assert await feed(local_shop, version=version) == []
