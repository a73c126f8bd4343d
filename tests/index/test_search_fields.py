"""Attributes that only the metadata has, read from the segments of packs."""

import pytest

from longshore.errors import BlobNotFound, Unavailable
from longshore.index.search import SearchLimits, SearchQuery
from longshore.index.search_columns import MATCHED
from longshore.index.search_filters import Filter
from longshore.index.search_match import Exact, Level
from longshore.services.search_fields import search_with_fields
from tests.index.test_search_sample import Segments, metadata, opened, searched_index

pytestmark = pytest.mark.anyio

PRIVATE = 0x00091001
SEQUENCE = 0x00400555


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def search_sample():
    with searched_index() as sample:
        yield sample


@pytest.fixture
async def search_database(search_sample):
    async with opened(search_sample) as database:
        yield database


@pytest.fixture
def segments(search_sample):
    return Segments(dict(search_sample.packs))


def url_of(*uids):
    return "https://host/" + "/".join(uids)


async def find(database, segments, level, *fields, filters=()):
    query = SearchQuery(level, 1, filters, frozenset(fields), limit=100)
    page = await search_with_fields(database, segments, query, limits=SearchLimits(), url_of=url_of)
    return page.results


async def test_no_pack_is_touched_for_what_the_index_has(search_database, segments):
    assert len(await find(search_database, segments, Level.IMAGE, 0x00080018, 0x00080060)) == 4
    assert segments.reads == []


@pytest.mark.parametrize(
    ("level", "newest"),
    [
        (Level.STUDY, ["1.2.1.1", "1.1.1.2"]),
        (Level.SERIES, ["1.2.1.1", "1.1.2.1", "1.1.1.2"]),
        (Level.IMAGE, ["1.2.1.1", "1.1.1.2", "1.1.2.1", "1.1.1.1"]),
    ],
)
async def test_fields_of_the_newest_instance(search_database, segments, level, newest):
    results = await find(search_database, segments, level, PRIVATE, SEQUENCE)
    expected = [metadata(uid) for uid in newest]
    assert [each.attributes["00091001"] for each in results] == [e["00091001"] for e in expected]
    assert [each.attributes["00400555"] for each in results] == [e["00400555"] for e in expected]


async def test_an_empty_attribute_is_told_as_empty_and_an_absent_one_not_at_all(
    search_database, segments
):
    results = await find(search_database, segments, Level.STUDY, 0x00102203, 0x00104000)
    assert [each.attributes for each in results] == [{"00102203": {"vr": "CS"}}] * 2


async def test_neighbours_in_a_pack_are_one_read(search_database, segments):
    await find(search_database, segments, Level.IMAGE, PRIVATE)
    assert len(segments.reads) == 1


async def test_segments_far_apart_are_read_apart(search_database, segments, monkeypatch):
    monkeypatch.setattr("longshore.services.near_reads.GAP_BYTES_MAX", -1)
    results = await find(search_database, segments, Level.IMAGE, PRIVATE)
    assert len(segments.reads) == 4
    values = [each.attributes["00091001"]["Value"][0] for each in results]
    assert values == [f"private of {each.sop_instance_uid}" for each in results]


async def test_reads_at_the_same_time_are_bounded(search_database, segments, monkeypatch):
    monkeypatch.setattr("longshore.services.near_reads.GAP_BYTES_MAX", -1)
    query = SearchQuery(Level.IMAGE, 1, (), frozenset({PRIVATE}), limit=100)
    limits = SearchLimits(segment_reads_max=2)
    await search_with_fields(search_database, segments, query, limits=limits, url_of=url_of)
    assert segments.concurrent_max == 2


async def test_a_pack_that_went_is_looked_for_once_more(search_database, segments):
    segments.missing_count = 1
    (found,) = await find(
        search_database,
        segments,
        Level.STUDY,
        PRIVATE,
        filters=[Filter(MATCHED[0x0020000D], Exact("1.1"))],
    )
    assert found.attributes["00091001"]["Value"] == ["private of 1.1.1.2"]
    segments.missing_count = 2
    with pytest.raises(BlobNotFound):
        await find(search_database, segments, Level.STUDY, PRIVATE)


async def test_a_damaged_segment_is_an_error_without_values(search_database, segments):
    segments.contents = {name: b"\xff" * len(pack) for name, pack in segments.contents.items()}
    with pytest.raises(Unavailable) as caught:
        await find(search_database, segments, Level.STUDY, PRIVATE)
    assert caught.value.__cause__ is None
