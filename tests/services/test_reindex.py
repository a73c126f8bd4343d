"""Extended query tags and what instances have in them: at Store, afterwards, killed in between."""

import asyncio
import random
import signal
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from longshore.app import store_limits
from longshore.index import reindex as index_reindex
from longshore.index.extended_tags import glance, known_tags
from longshore.index.extended_values import COLUMNS
from longshore.index.locks import Lock
from longshore.index.migrate import migrate
from longshore.services import reindex as service
from longshore.services.rebuild import rebuild
from longshore.services.reindex import reindex
from tests.services.reclaimer import end, said
from tests.services.reindexer import spawn
from tests.services.shop import AT_ONCE, Shop, opened
from tests.support import synthetic
from tests.support.stow import multipart

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

TAGS = "/v2/extendedquerytags"
NUMBERS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "UL": "I", "US": "H"}
NUMBER = {"path": "00200013", "level": "Instance"}
COMMENTS = {"path": "00181000", "level": "Study"}

VALUES = """
    SELECT extended_query_tag.path, owner_key, instance_key,
        COALESCE(text_value, name_value, integer_value::text, double_value::text, date_value::text,
            time_value::text, datetime_value::text)
    FROM extended_value JOIN extended_query_tag USING (tag_key)
    ORDER BY path, owner_key
"""
MISSED = """
    SELECT instance_key, sop_instance_uid FROM instance
    WHERE NOT EXISTS (
        SELECT FROM extended_value JOIN extended_query_tag USING (tag_key)
        WHERE path = '00200013' AND owner_key = instance.instance_key
            AND integer_value = instance.instance_number
    )
"""
"""Instances without the value that they have; no row if all is well."""


def ct(number: int, elements: Iterable[bytes] = (), *, series: int = 1) -> bytes:
    """A CT with other elements behind its own, valid or not."""
    charset = element(0x00080005, "CS", "ISO_IR 192")
    return b"".join([synthetic.ct(number, series=series), charset, *elements])


def element(tag: int, vr: str, value: Any) -> bytes:
    """An element of Explicit VR Little Endian; nothing looks at its value."""
    values = value if isinstance(value, list) else [value]
    if vr in NUMBERS:
        octets = struct.pack(f"<{len(values)}{NUMBERS[vr]}", *values)
    else:
        octets = "\\".join(values).encode()
        octets += b" " * (len(octets) % 2)
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(octets))
    return head + octets


async def add(shop: Shop, *tags: dict[str, Any]) -> str:
    answer = await shop.client.post(TAGS, json=list(tags))
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def send(shop: Shop, *files: bytes, version: str = "v2", status: int = 200) -> Any:
    content_type, body = multipart(files)
    answer = await shop.client.post(
        f"/{version}/studies", content=body, headers={"Content-Type": content_type}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def done(shop: Shop) -> None:
    """Does what there is to do; PostgreSQL may take a moment to see that another one was killed."""
    async with asyncio.timeout(60):
        while await glance(shop.database):
            await reindex(shop.database, shop.blobs)
    assert shop.query("SELECT FROM operation WHERE status <> 'succeeded'") == []


# path, VR, private creator, value in the file, value in the index
KINDS: list[tuple[int, str, str | None, Any, str | None]] = [
    (0x00080054, "AE", None, "STORE_1 ", "store_1"),
    (0x00101010, "AS", None, "043Y", "043y"),
    (0x00180015, "CS", None, ["HEAD", "NECK"], "head"),
    (0x00080022, "DA", None, "20260102", "2026-01-02"),
    (0x0008002A, "DT", None, "20260102030405.06-0500", "2026-01-02 03:04:05.06"),
    (0x00186060, "FL", None, 0.1, "0.10000000149011612"),
    (0x00189073, "FD", None, [0.1, 7.0], "0.1"),
    (0x00181152, "IS", None, ["007", "8"], "7"),
    (0x00181000, "LO", None, "Größe ", "grösse"),
    (0x00081070, "PN", None, "Ünal^Ärz=山田", "unal^arz=山田"),
    (0x00181020, "LO", None, "", None),
    (0x00120040, "LO", None, "x" * 64, "x" * 64),
    (0x00080094, "SH", None, "12 34", "12 34"),
    (0x00181010, "LO", None, "a\\b", "a"),
    (0x00180020, "CS", None, "SE", "se"),
    (0x00080032, "TM", None, "0304", "03:04:00"),
    (0x00081155, "UI", None, "1.2.3", "1.2.3"),
    (0x00186020, "SL", None, -5, "-5"),
    (0x00280120, "US", None, 65535, "65535"),
    (0x00186018, "UL", None, 2**32 - 1, "4294967295"),
    (0x12051003, "FD", "ACME 1.1", 2.5, "2.5"),
    (0x12051004, "SS", "ACME 1.1", -2, "-2"),
]


def of_all_kinds(number: int) -> bytes:
    """An instance with a value of each VR; the private block is not the one of the tags' paths."""
    elements = [
        element(tag if creator is None else tag + 0x0500, vr, value)
        for tag, vr, creator, value, _ in KINDS
    ]
    return ct(number, [element(0x12050015, "LO", "ACME 1.1"), *elements])


def tags_of_all_kinds(level: str) -> list[dict[str, Any]]:
    tags = [
        {"path": f"{tag:08X}", "level": level, "vr": vr, "privateCreator": creator}
        for tag, vr, creator, _, _ in KINDS
    ]
    assert {tag["vr"] for tag in tags} == set(COLUMNS)
    return tags


@pytest.mark.parametrize("level", ["study", "series", "instance"])
async def test_each_vr_at_each_level_at_store_and_afterwards(local_shop: Shop, level: str) -> None:
    shop = local_shop
    await send(shop, of_all_kinds(1))
    await add(shop, *tags_of_all_kinds(level))
    await done(shop)
    await send(shop, of_all_kinds(2))
    (first,), (second,) = shop.query("SELECT instance_key FROM instance ORDER BY instance_key")
    ((study_key, series_key),) = shop.query("SELECT study_key, series_key FROM series")
    owners = {"study": [study_key], "series": [series_key], "instance": [first, second]}[level]
    last = {first: first} if level == "instance" else {}
    wanted = [
        (f"{tag:08X}", owner, last.get(owner, second), text)
        for tag, _, _, _, text in sorted(KINDS)
        if text is not None
        for owner in owners
    ]
    assert shop.query(VALUES) == wanted
    assert shop.query("SELECT FROM extended_query_tag_error") == []


async def test_the_highest_instance_wins_and_an_empty_value_says_nothing(local_shop: Shop) -> None:
    shop = local_shop
    serials = ["a", "b", "", "c", ""]
    files = [ct(at, [element(0x00181000, "LO", text)]) for at, text in enumerate(serials, 1)]
    await send(shop, *files[:3])
    await add(shop, COMMENTS)
    await done(shop)
    assert [row[3] for row in shop.query(VALUES)] == ["b"]
    await send(shop, *files[3:])
    assert [row[3] for row in shop.query(VALUES)] == ["c"]
    # What is indexed late does not take back what is newer.
    await shop.client.delete(f"{TAGS}/00181000")
    await reindex(shop.database, shop.blobs)
    await add(shop, COMMENTS)
    await send(shop, ct(6, [element(0x00181000, "LO", "d")]))
    await done(shop)
    assert [row[3] for row in shop.query(VALUES)] == ["d"]


async def test_51_v1_refuses_what_v2_stores_without(local_shop: Shop) -> None:
    shop = local_shop
    await add(shop, {"path": "ExposureInuAs", "level": "Instance"}, NUMBER)
    bad = ct(1, [element(0x00181153, "IS", "InvalidISValue")])
    refused = (await send(shop, bad, version="v1", status=409))["00081198"]["Value"][0]
    assert refused["00081197"]["Value"] == [43264]
    comment = refused["00741048"]["Value"][0]["00000902"]["Value"][0]
    assert comment.startswith("DICOM100: (0018,1153) - ")
    await send(shop, bad, status=202)
    assert [row[0] for row in shop.query(VALUES)] == ["00200013"]
    await done(shop)
    assert shop.query("SELECT FROM extended_query_tag_error") == []


async def test_v1_refuses_another_vr_of_a_private_tag(local_shop: Shop) -> None:
    shop = local_shop
    tag = {"path": "12051003", "vr": "FD", "privateCreator": "ACME", "level": "Series"}
    await add(shop, tag)
    creator, value = element(0x12050010, "LO", "ACME"), element(0x12051003, "LO", "text")
    answer = await send(shop, ct(1, [creator, value]), version="v1", status=409)
    assert "'FD' but has 'LO'" in str(answer)
    other = element(0x12050010, "LO", "OTHER")
    await send(shop, ct(1, [other, value]), version="v1")
    await send(shop, ct(2, [creator, value]))
    assert shop.query(VALUES) == []
    await done(shop)
    errors = shop.query("SELECT message FROM extended_query_tag_error")
    assert [("'FD' but has 'LO'" in message) for (message,) in errors] == [True]


BAD: list[tuple[int, str, Any]] = [
    (0x00080022, "DA", "20260231"),
    (0x00080032, "TM", "2561"),
    (0x0008002A, "DT", "2026x"),
    (0x00101010, "AS", "43Y"),
    (0x00180015, "CS", "A" * 17),
    (0x00181152, "IS", "1.5"),
    (0x00181000, "LO", "x" * 65),
    (0x00081070, "PN", "A^B^C^D^E^F"),
    (0x00081155, "UI", "1.2.x"),
]


async def test_bad_stored_values_are_errors_and_no_values(local_shop: Shop) -> None:
    shop = local_shop
    await send(shop, ct(1, [element(*each) for each in BAD]), version="v1")
    await shop.store([2])
    await add(shop, *({"path": f"{tag:08X}", "level": "Instance"} for tag, _, _ in BAD), NUMBER)
    await done(shop)
    rows = shop.query("SELECT path, error_count, query_status, status FROM extended_query_tag")
    assert sorted(rows) == sorted(
        [(f"{tag:08X}", 1, "disabled", "ready") for tag, _, _ in BAD]
        + [("00200013", 0, "enabled", "ready")]
    )
    assert {row[0] for row in shop.query(VALUES)} == {"00200013"}
    for _, _, value in BAD:
        for (message,) in shop.query("SELECT message FROM extended_query_tag_error"):
            assert value not in message


async def test_metadata_that_cannot_be_read_is_an_error_of_every_tag(local_shop: Shop) -> None:
    shop = local_shop
    await shop.store([1, 2])
    await shop.store_together((2, 1), (2, 2))
    found = (shop.settings.data / "blobs" / "packs").rglob("*.zip")
    packs = sorted(found, key=lambda pack: pack.name)
    packs[0].unlink()
    damaged = bytearray(packs[2].read_bytes())
    ((offset,),) = shop.query(
        "SELECT min(segment_offset) FROM instance WHERE pack_key = (SELECT max(pack_key) FROM pack)"
    )
    damaged[offset + 20] ^= 0xFF
    packs[2].write_bytes(damaged)
    await add(shop, NUMBER)
    await done(shop)
    errors = shop.query("SELECT message FROM extended_query_tag_error")
    assert errors == [(service.DAMAGED,)] * 2
    assert len(shop.query(VALUES)) == 2


async def test_values_go_with_what_they_belong_to(local_shop: Shop) -> None:
    shop = local_shop
    await add(shop, NUMBER, COMMENTS, {"path": "Manufacturer", "level": "Series"})
    await done(shop)
    for series, number in ((1, 1), (1, 2), (2, 1)):
        serial = element(0x00181000, "LO", "s"), element(0x00080070, "LO", "m")
        await send(shop, ct(number, serial, series=series))
    count = "SELECT path, count(owner_key) FROM extended_value JOIN extended_query_tag USING"
    count += " (tag_key) GROUP BY path"

    def counts() -> dict[str, int]:
        return dict(shop.query(count))

    assert counts() == {"00200013": 3, "00181000": 1, "00080070": 2}
    await shop.client.delete(f"/v2{synthetic.path(1)}")
    assert counts() == {"00200013": 2, "00181000": 1, "00080070": 2}
    await shop.client.delete(f"/v2{synthetic.path(1, series=2)}")
    assert counts() == {"00200013": 1, "00181000": 1, "00080070": 1}
    await shop.client.delete(f"/v2/studies/{synthetic.uids(1)[0]}")
    assert counts() == {}


async def test_a_removed_tag_leaves_nothing_and_may_come_back(local_shop: Shop) -> None:
    shop = local_shop
    await shop.store(range(1, 4))
    await add(shop, NUMBER)
    await done(shop)
    assert len(shop.query(VALUES)) == 3
    assert (await shop.client.delete(f"{TAGS}/00200013")).status_code == 204
    await add(shop, NUMBER)
    await done(shop)
    assert len(shop.query("SELECT FROM extended_value")) == 3
    assert len(shop.query("SELECT FROM extended_query_tag")) == 1
    assert shop.query(MISSED) == []


async def test_a_store_that_began_before_the_tag_is_indexed(
    local_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader has another list than the transaction, whichever is newer."""
    shop = local_shop
    for number, change in enumerate(("add", "remove", "add"), 1):
        body_began, may_go_on = asyncio.Event(), asyncio.Event()
        content_type, whole = multipart([synthetic.ct(number)])

        async def body(whole: bytes = whole, began=body_began, go_on=may_go_on):
            yield whole[:-100]
            began.set()
            await go_on.wait()
            yield whole[-100:]

        headers = {"Content-Type": content_type}
        storing = asyncio.create_task(
            shop.client.post("/v2/studies", content=body(), headers=headers)
        )
        await body_began.wait()
        if change == "add":
            await add(shop, NUMBER)
            await done(shop)
        else:
            await shop.client.delete(f"{TAGS}/00200013")
            await reindex(shop.database, shop.blobs)
        may_go_on.set()
        assert (await storing).status_code == 200
        assert len(shop.query(MISSED)) == (number if change == "remove" else 0)
        assert len(shop.query(VALUES)) == (0 if change == "remove" else number)


async def test_reindexing_waits_for_stores_that_may_not_know_the_tag(local_shop: Shop) -> None:
    """A transaction holds the lock of Stores: what it stored is looked at behind it."""
    shop = local_shop
    lock = "SELECT pg_advisory_xact_lock_shared(%s)"
    async with shop.database.connection() as connection:
        async with connection.transaction():
            await connection.execute(lock, [int(Lock.STORES)])
            await add(shop, NUMBER)
            working = asyncio.create_task(reindex(shop.database, shop.blobs))
            await shop.store([1])
            await asyncio.sleep(0.3)
            assert shop.query("SELECT status FROM operation") == [("notStarted",)]
        await working
    assert shop.query("SELECT status FROM operation") == [("succeeded",)]
    assert shop.query(MISSED) == []


async def test_stores_go_on_while_tags_come_and_go(
    local_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missed, nothing fails: whatever a Store knew of the tags when it began."""
    shop = local_shop
    monkeypatch.setattr(index_reindex, "BATCH_COUNT_MAX", 7)
    monkeypatch.setattr(service, "SEEN_S", 0.0)
    is_over = False

    async def push(series: int) -> None:
        number = 0
        while not is_over:
            names = [(series, number + at) for at in range(1, 4)]
            await shop.store_together(*names)
            number += 3

    pushing = [asyncio.create_task(push(series)) for series in (1, 2, 3)]
    for _ in range(6):
        await add(shop, NUMBER)
        await asyncio.sleep(0.05)
        await done(shop)
        assert shop.query(MISSED) == []
        assert (await shop.client.delete(f"{TAGS}/00200013")).status_code == 204
    await add(shop, NUMBER)
    is_over = True
    await asyncio.gather(*pushing)
    await done(shop)
    assert shop.query(MISSED) == []
    assert len(shop.stored) > 50
    assert len(shop.query("SELECT FROM extended_value")) == len(shop.stored)


async def test_deletes_and_merges_go_on_while_indexing(
    local_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = local_shop
    monkeypatch.setattr(index_reindex, "BATCH_COUNT_MAX", 5)
    await shop.store(range(1, 41))
    await add(shop, NUMBER, COMMENTS)
    working = asyncio.create_task(reindex(shop.database, shop.blobs))
    for number in range(1, 41, 4):
        await shop.delete(synthetic.path(number))
        await shop.reclaim(AT_ONCE)
    await working
    assert shop.query(MISSED) == []
    assert len(shop.query("SELECT FROM extended_value")) == 30
    assert shop.query("SELECT FROM extended_query_tag_error") == []


async def test_killed_before_every_single_step(local_shop: Shop) -> None:
    shop = local_shop
    await shop.store(range(1, 11))
    bad = ct(11, [element(0x00181152, "IS", "bad")])
    await send(shop, bad, version="v1")
    process = await asyncio.to_thread(spawn, shop)
    assert process.stdin is not None
    step, code = 0, -signal.SIGKILL
    exposure = {"path": "00181152", "level": "Instance"}
    await add(shop, NUMBER, exposure)
    while code == -signal.SIGKILL:
        step += 1
        process.stdin.write(f"{step}\n")
        process.stdin.flush()
        code = int(await asyncio.to_thread(said, process))
        if code == -signal.SIGKILL and step % 2 == 0:
            # Now and then it is finished by another one, and all begins anew.
            await done(shop)
            check(shop)
            for path in ("00200013", "00181152"):
                assert (await shop.client.delete(f"{TAGS}/{path}")).status_code == 204
            await add(shop, NUMBER, exposure)
    end(process)
    assert code == 0
    assert step > 20, "it was to die in the middle of it"
    await done(shop)
    check(shop)


def check(shop: Shop) -> None:
    """Every value is there once, every error is counted once, and nothing of removed tags is."""
    assert shop.query(MISSED) == []
    assert shop.query("SELECT status FROM operation WHERE status <> 'succeeded'") == []
    rows = shop.query("SELECT path, error_count, status FROM extended_query_tag ORDER BY path")
    assert rows == [("00181152", 1, "ready"), ("00200013", 0, "ready")]
    assert len(shop.query("SELECT FROM extended_query_tag_error")) == 1
    instances = len(shop.query("SELECT FROM instance"))
    assert len(shop.query("SELECT FROM extended_value")) == instances


async def test_two_processes_killed_at_random_while_stores_go_on(local_shop: Shop) -> None:
    shop = local_shop
    chance = random.Random(11)  # noqa: S311 - the same moments in every run
    await shop.store(range(1, 31))
    for round_number in range(1, 7):
        operation_id = await add(shop, NUMBER)
        processes = [await asyncio.to_thread(spawn, shop, "--forever") for _ in "12"]
        for number in range(5):
            await shop.store([round_number * 100 + number], series=2)
            if number == 2:
                await asyncio.sleep(chance.uniform(0, 0.2))
                processes[0].kill()
        async with asyncio.timeout(60):
            while True:
                answer = await shop.client.get(f"/v2/operations/{operation_id}")
                if answer.status_code == 200:
                    break
                await asyncio.sleep(0.05)
        assert shop.query(MISSED) == []
        for process in processes:
            end(process)
        assert (await shop.client.delete(f"{TAGS}/00200013")).status_code == 204


async def test_a_rebuilt_index_has_the_values_of_the_tags_it_knows(
    local_shop: Shop, spare_dsn: str
) -> None:
    shop = local_shop
    await shop.store(range(1, 6))
    migrate(spare_dsn)
    settings = replace(shop.settings, database=spare_dsn)
    async with opened(settings) as other:
        await add(other, NUMBER)
        await done(other)
        assert (await rebuild(other.database, other.blobs, store_limits(settings))).damaged == []
        assert len(other.query(VALUES)) == 5
        assert other.query(MISSED) == []


async def test_a_process_hears_of_tags_that_another_one_added(local_shop: Shop) -> None:
    shop = local_shop
    before = known_tags(shop.database)
    with_tag = "INSERT INTO extended_query_tag (path, vr, level) VALUES ('00200013', 'IS', 'study')"
    async with shop.database.connection() as connection:
        await connection.execute(with_tag)
        await connection.execute("UPDATE extended_query_tag_head SET version = version + 1")
    assert known_tags(shop.database) is before
    assert await glance(shop.database) is False
    assert [tag.path for tag in known_tags(shop.database).tags] == ["00200013"]
