"""Orders and pages on a real index: nothing is lost or repeated, whatever arrives meanwhile."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from longshore.index.search import Page, SearchQuery, search
from longshore.index.search_columns import MATCHED
from longshore.index.search_filters import Filter
from longshore.index.search_match import Exact, Level
from longshore.index.search_order import OrderBy
from tests.index.batches import instance, store

pytestmark = pytest.mark.anyio

BY_KEYWORD = {each.keyword: each for each in MATCHED.values()}
STUDIES = [
    ("1.1", {"PatientName": "Doe^B", "StudyDate": "20200102", "StudyID": "7"}),
    ("1.2", {"PatientName": "Doe^A", "StudyDate": "20200101"}),
    ("1.3", {"PatientName": "doe^a", "StudyID": "7"}),
    ("1.4", {"StudyDate": "20200102"}),
    ("1.5", {"PatientName": "Doe^C", "StudyDate": "20191231", "StudyID": "8"}),
    ("1.6", {}),
]


def order_by(text):
    names = text.split(",") if text else []
    return [OrderBy(BY_KEYWORD[name.removeprefix("-")], name.startswith("-")) for name in names]


def asked(order="", level=Level.STUDY, limit=100, skip=0):
    return SearchQuery(level, 1, (), frozenset(), limit, skip, order=order_by(order))


def uids(page: Page) -> list[str]:
    return [found.sop_instance_uid or found.series_uid or found.study_uid for found in page.results]


async def pages(database, query):
    """Yields the UIDs of each page, following the cursor."""
    while True:
        page = await search(database, query)
        yield uids(page)
        if page.last is None:
            return
        query = replace(query, behind=page.last)


async def store_studies(database, studies=STUDIES):
    for uid, attributes in studies:
        await store(database, instance(f"{uid}/{uid}.1/{uid}.1.1", attributes))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", "654321"),
        ("StudyDate", "524163"),
        ("-StudyDate", "412563"),
        ("PatientName", "321564"),
        ("-PatientName", "513264"),
        ("StudyID,-StudyDate", "135426"),
        ("-StudyID,PatientName", "531264"),
    ],
)
async def test_orders(database, order, expected):
    await store_studies(database)
    whole = [f"1.{digit}" for digit in expected]
    if order == "StudyID,-StudyDate":
        whole = ["1.1", "1.3", "1.5", "1.4", "1.2", "1.6"]
    if order == "-StudyID,PatientName":
        whole = ["1.5", "1.3", "1.1", "1.2", "1.6", "1.4"]
    assert uids(await search(database, asked(order))) == whole
    for limit in (1, 2, 3, 5, 6):
        found = [each async for each in pages(database, asked(order, limit=limit))]
        assert list(itertools.chain(*found)) == whole, limit
        assert [len(each) for each in found[:-1]] == [limit] * (len(found) - 1)


async def test_a_full_page_is_the_last_if_nothing_is_behind_it(database):
    await store_studies(database)
    assert (await search(database, asked(limit=6))).last is None
    assert (await search(database, asked(limit=5))).last is not None
    assert (await search(database, asked(limit=5, skip=1))).last is None


async def test_pages_longer_than_a_turn(database, monkeypatch):
    monkeypatch.setattr("longshore.index.search._ROWS_PER_TURN", 2)
    await store_studies(database)
    for limit in (1, 2, 3, 4, 5):
        found = [each async for each in pages(database, asked(limit=limit))]
        assert list(itertools.chain(*found)) == ["1.6", "1.5", "1.4", "1.3", "1.2", "1.1"]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("order", ["", "-PatientName", "StudyDate"])
async def test_what_arrives_meanwhile_shifts_nothing(database, level, order):
    before = [(f"2.{number}", {"PatientName": f"N{number % 7}"}) for number in range(40)]
    await store_studies(database, before)
    whole = uids(await search(database, asked(order, level)))
    arrived = 0
    seen: list[str] = []

    async def arrive():
        nonlocal arrived
        while True:
            arrived += 1
            uid = f"3.{arrived}"
            names = {"PatientName": f"N{arrived % 7}", "StudyDate": "20200101"}
            await store(database, instance(f"{uid}/{uid}.1/{uid}.1.1", names))

    arriving = asyncio.create_task(arrive())
    try:
        async for page in pages(database, asked(order, level, limit=3)):
            seen += page
            if arrived < 3:
                await asyncio.sleep(0.02)
            if len(seen) > 2_000:
                break
    finally:
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
    assert arrived >= 3
    assert [uid for uid in seen if uid.startswith("2.")] == whole
    assert len(seen) == len(set(seen))


async def test_the_result_before_the_page_may_be_gone(database, rows):
    await store_studies(database)
    page = await search(database, asked("StudyDate", limit=2))
    rows("DELETE FROM study WHERE study_uid = '1.2'")
    behind = await search(database, replace(asked("StudyDate"), behind=page.last))
    assert uids(behind) == ["1.4", "1.1", "1.6", "1.3"]


@pytest.mark.parametrize(("level", "total"), [("STUDY", 2), ("SERIES", 3), ("IMAGE", 4)])
async def test_totals(database, level, total):
    await store(
        database,
        instance("1/1.1/1.1.1", {"PatientID": "A"}),
        instance("1/1.1/1.1.2", {"PatientID": "A"}),
        instance("1/1.2/1.2.1", {"PatientID": "A"}),
        instance("2/2.1/2.1.1", {"PatientID": "a"}),
        instance("3/3.1/3.1.1", {"PatientID": "B"}),
    )
    await store(database, instance("9/9.1/9.1.1", {"PatientID": "A"}), partition_key=2)
    one = Filter(BY_KEYWORD["PatientID"], Exact("A"))
    query = SearchQuery(Level(level), 1, [one], frozenset(), limit=1, wants_total=True)
    page = await search(database, query)
    assert (len(page.results), page.total) == (1, total)
    behind = await search(database, replace(query, behind=page.last))
    assert behind.total == total
    assert (await search(database, replace(query, wants_total=False))).total is None


async def test_instances_by_their_number_within_a_page(database):
    numbers = [3, 1, None, 2]
    await store(
        database,
        *[
            instance(f"1/1.1/1.1.{at}", {"InstanceNumber": str(number)} if number else {})
            for at, number in enumerate(numbers)
        ],
    )
    page = await search(database, asked("InstanceNumber", Level.IMAGE))
    assert uids(page) == ["1.1.1", "1.1.3", "1.1.0", "1.1.2"]
