"""Matching and paging on a real PostgreSQL."""

from datetime import date, time

import psycopg
import pytest
from psycopg import sql

from longshore.dicom import ATTRIBUTES
from longshore.index.search import SearchQuery, compose, search
from longshore.index.search_columns import MATCHED
from longshore.index.search_filters import Filter
from longshore.index.search_match import Exact, Level, Range, WordPrefix
from longshore.index.search_rows import ROW_TAGS
from tests.index.test_search_sample import CT_IMAGE, EXPLICIT, STUDIES, opened, searched_index

pytestmark = pytest.mark.anyio

MANY_ROWS = """
    INSERT INTO study
        (partition_key, study_uid, patient_id, patient_name, accession_number, attributes)
    SELECT 7, '3.' || n, 'p' || n, 'n' || n, 'a' || n, '{}' FROM generate_series(1, 3000) AS n;
    INSERT INTO series (study_key, series_uid, attributes)
    SELECT study_key, study_uid || '.1', '{}' FROM study WHERE partition_key = 7;
    INSERT INTO instance
        (series_key, pack_key, payload_offset, payload_length, segment_offset, segment_length,
         segment_plain_length, segment_crc32, sop_class_key, transfer_syntax_key,
         has_bulkdata_uri, sop_instance_uid)
    SELECT series_key, 1, 0, 0, 0, 0, 0, 0, 1, 1, false, series_uid || '.1' FROM series
    WHERE series_uid LIKE '3.%';
    ANALYZE study, series, instance
"""
TAGS = {each.keyword: each.tag for each in MATCHED.values()}


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


def query(level, fields=(), limit=100, skip=0, partition_key=1, **matches):
    filters = [Filter(MATCHED[TAGS[keyword]], match) for keyword, match in matches.items()]
    return SearchQuery(level, partition_key, filters, frozenset(fields), limit, skip)


async def find(database, asked):
    return (await search(database, asked)).results


async def studies(database, **asked):
    return [found.study_uid for found in await find(database, query(Level.STUDY, **asked))]


async def series(database, **asked):
    return [found.series_uid for found in await find(database, query(Level.SERIES, **asked))]


async def instances(database, **asked):
    found = await find(database, query(Level.IMAGE, **asked))
    return [each.sop_instance_uid for each in found]


async def test_every_level_newest_first(search_database):
    assert await studies(search_database) == ["1.2", "1.1"]
    assert await series(search_database) == ["1.2.1", "1.1.2", "1.1.1"]
    assert await instances(search_database) == ["1.2.1.1", "1.1.1.2", "1.1.2.1", "1.1.1.1"]


@pytest.mark.parametrize(
    ("keyword", "match", "found"),
    [
        ("StudyInstanceUID", Exact("1.1"), ["1.1"]),
        ("StudyInstanceUID", Exact("1.1.1"), []),
        ("PatientID", Exact("p1"), ["1.1"]),
        ("PatientID", Exact("P1 "), ["1.1"]),
        ("PatientID", Exact("P"), []),
        ("PatientID", Exact("P*"), []),
        ("PatientID", Exact("P?2"), []),
        ("PatientID", Exact("P%"), []),
        ("AccessionNumber", Exact("ACC 1"), ["1.1"]),
        ("AccessionNumber", Exact("ACC1"), []),
        ("StudyDescription", Exact("head ct"), ["1.1"]),
        ("StudyDescription", Exact("head"), []),
        ("StudyID", Exact("s1"), ["1.1"]),
        ("PatientName", Exact("jose^ana"), ["1.1"]),
        ("PatientName", Exact("JOSÉ^ANA"), ["1.1"]),
        ("PatientName", Exact("jose"), []),
        ("PatientName", Exact("Jose Ana"), []),
        ("ReferringPhysicianName", Exact("muller^max"), ["1.1"]),
        ("StudyDate", Exact(date(2020, 1, 31)), ["1.1"]),
        ("StudyDate", Range(date(2020, 1, 31), date(2021, 5, 7)), ["1.2", "1.1"]),
        ("StudyDate", Range(date(2020, 2, 1), date(2021, 5, 6)), []),
        ("StudyDate", Range(date(2020, 2, 1), None), ["1.2"]),
        ("StudyDate", Range(None, date(2020, 1, 31)), ["1.1"]),
        ("PatientBirthDate", Exact(date(1970, 1, 31)), ["1.1"]),
        ("StudyTime", Exact(time(10, 15, 30, 500_000)), ["1.1"]),
        ("StudyTime", Exact(time(10, 15, 30)), []),
        ("StudyTime", Range(time(10, 15), time(10, 16)), ["1.1"]),
        ("ModalitiesInStudy", Exact("mr"), ["1.1"]),
        ("ModalitiesInStudy", Exact("CT"), ["1.1"]),
        ("ModalitiesInStudy", Exact("SEG"), ["1.2"]),
        ("ModalitiesInStudy", Exact("US"), []),
        ("PatientName", WordPrefix(("jo",)), ["1.2", "1.1"]),
        ("PatientName", WordPrefix(("JOHN",)), ["1.2"]),
        ("PatientName", WordPrefix(("do",)), ["1.2"]),
        ("PatientName", WordPrefix(("Doe", "jo")), ["1.2"]),
        ("PatientName", WordPrefix(("John", "Do")), []),
        ("PatientName", WordPrefix(("ohn",)), []),
        ("PatientName", WordPrefix(("%",)), []),
        ("PatientName", WordPrefix(("_",)), []),
        ("PatientName", WordPrefix(("\\",)), []),
        ("ReferringPhysicianName", WordPrefix(("MUL",)), ["1.1"]),
        ("ReferringPhysicianName", WordPrefix(("max",)), ["1.1"]),
    ],
)
async def test_study_matches(search_database, keyword, match, found):
    assert await studies(search_database, **{keyword: match}) == found


@pytest.mark.parametrize(
    ("keyword", "match", "found"),
    [
        ("SeriesInstanceUID", Exact("1.1.1"), ["1.1.1"]),
        ("Modality", Exact("seg"), ["1.2.1"]),
        ("SeriesNumber", Exact(3), ["1.1.1"]),
        ("SeriesNumber", Exact(10**12), []),
        ("ManufacturerModelName", Exact("SCANNER 9"), ["1.1.1"]),
        ("PerformedProcedureStepStartDate", Exact(date(2020, 1, 31)), ["1.1.1"]),
        ("PerformedProcedureStepStartTime", Range(time(10), time(10, 16)), ["1.1.1"]),
        ("PatientID", Exact("P1"), ["1.1.2", "1.1.1"]),
        ("ModalitiesInStudy", Exact("MR"), ["1.1.2", "1.1.1"]),
    ],
)
async def test_series_matches(search_database, keyword, match, found):
    assert await series(search_database, **{keyword: match}) == found


@pytest.mark.parametrize(
    ("keyword", "match", "found"),
    [
        ("SOPInstanceUID", Exact("1.1.1.2"), ["1.1.1.2"]),
        ("SOPClassUID", Exact(CT_IMAGE), ["1.1.1.2", "1.1.1.1"]),
        ("SOPClassUID", Exact("1.2.3"), []),
        ("InstanceNumber", Exact(2), ["1.1.1.2"]),
        ("Modality", Exact("MR"), ["1.1.2.1"]),
        ("StudyInstanceUID", Exact("1.1"), ["1.1.1.2", "1.1.2.1", "1.1.1.1"]),
    ],
)
async def test_instance_matches(search_database, keyword, match, found):
    assert await instances(search_database, **{keyword: match}) == found


async def test_all_matches_must_be_met(search_database):
    asked = {"PatientID": Exact("P1"), "StudyDate": Exact(date(2020, 1, 31))}
    assert await studies(search_database, **asked) == ["1.1"]
    asked["StudyDate"] = Exact(date(2021, 5, 7))
    assert await studies(search_database, **asked) == []


async def test_partitions_are_apart(search_database):
    assert await studies(search_database, partition_key=2) == ["1.1"]
    assert await instances(search_database, partition_key=2, PatientID=Exact("P1")) == [
        "1.1.1.2",
        "1.1.2.1",
        "1.1.1.1",
    ]
    assert await studies(search_database, partition_key=3) == []


async def test_pages_tile_the_results(search_database):
    pages = [await instances(search_database, limit=1, skip=skip) for skip in range(5)]
    assert [uid for page in pages for uid in page] == await instances(search_database)
    assert pages[4] == []
    assert await instances(search_database, skip=2**63 - 1) == []


async def test_values_are_parameters(search_database):
    text = "'; DROP TABLE study; --"
    statement, values = compose(query(Level.STUDY, PatientID=Exact(text)))
    assert text.lower() not in statement.as_string(None).lower()
    assert text.lower() in values.values()
    assert await studies(search_database, PatientID=Exact(text)) == []


async def test_study_attributes_and_counts(search_database):
    fields = (0x00100010, 0x00080061, 0x00201206, 0x00201208, 0x00101010)
    asked = query(Level.STUDY, fields, StudyInstanceUID=Exact("1.1"))
    (found,) = await find(search_database, asked)
    assert found.attributes == {
        "00100010": STUDIES["1.1"]["00100010"],
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00201206": {"vr": "IS", "Value": [2]},
        "00201208": {"vr": "IS", "Value": [3]},
    }
    assert found.segment is None
    assert "Jos" not in repr(found)


async def test_series_count_and_study_attributes(search_database):
    asked = query(Level.SERIES, (0x00201209, 0x00100020), SeriesInstanceUID=Exact("1.1.1"))
    (found,) = await find(search_database, asked)
    assert found.attributes == {
        "00201209": {"vr": "IS", "Value": [2]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
    }


async def test_instance_attributes(search_database):
    fields = (0x00080016, 0x00080018, 0x00083002, 0x00200013, 0x00280008, 0x00280010, 0x00280011)
    asked = query(Level.IMAGE, (*fields, 0x00280100, 0x00080060), SOPInstanceUID=Exact("1.1.1.2"))
    (found,) = await find(search_database, asked)
    assert found.attributes == {
        "00080016": {"vr": "UI", "Value": [CT_IMAGE]},
        "00080018": {"vr": "UI", "Value": ["1.1.1.2"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00083002": {"vr": "UI", "Value": [EXPLICIT]},
        "00200013": {"vr": "IS", "Value": [2]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280011": {"vr": "US", "Value": [256]},
        "00280100": {"vr": "US", "Value": [16]},
    }


async def test_attributes_of_lower_levels_come_from_the_newest_instance(search_database):
    fields = (0x00080060, 0x0020000E, 0x00080016, 0x00080018, 0x00080018)
    asked = query(Level.STUDY, fields, StudyInstanceUID=Exact("1.1"))
    (found,) = await find(search_database, asked)
    assert {tag: each["Value"] for tag, each in found.attributes.items()} == {
        "00080016": [CT_IMAGE],
        "00080018": ["1.1.1.2"],
        "00080060": ["CT"],
        "0020000E": ["1.1.1"],
    }
    assert (found.series_uid, found.sop_instance_uid) == (None, None)


@pytest.mark.parametrize(
    ("level", "fields", "is_located"),
    [
        (Level.STUDY, (0x00100010,), False),
        (Level.STUDY, (0x00091001,), True),
        (Level.SERIES, (0x00080060,), False),
        (Level.SERIES, (0x00091001,), True),
        (Level.IMAGE, (0x00080018, 0x00080060), False),
        (Level.IMAGE, (0x00091001,), True),
    ],
)
async def test_metadata_is_located_only_where_needed(search_database, level, fields, is_located):
    found = await find(search_database, query(level, fields))
    assert found
    assert all((each.segment is not None) is is_located for each in found)


async def test_a_page_read_in_turns_keeps_its_order(search_database, monkeypatch):
    monkeypatch.setattr("longshore.index.search._ROWS_PER_TURN", 3)
    assert await instances(search_database) == ["1.2.1.1", "1.1.1.2", "1.1.2.1", "1.1.1.1"]


@pytest.mark.parametrize(
    ("level", "keyword", "value", "index_name"),
    [
        (Level.STUDY, "PatientID", "p77", "study_patient_id"),
        (Level.STUDY, "AccessionNumber", "a77", "study_accession_number"),
        (Level.STUDY, "StudyInstanceUID", "3.77", "study_study_uid_partition_key_key"),
        (Level.STUDY, "PatientName", "n77", "study_trigrams"),
        (Level.SERIES, "SeriesInstanceUID", "3.77.1", "series_series_uid"),
        (Level.IMAGE, "SOPInstanceUID", "3.77.1.1", "instance_sop_instance_uid_series_key_key"),
        (Level.IMAGE, "PatientID", "p77", "study_patient_id"),
    ],
)
def test_selective_matches_use_their_index(search_sample, level, keyword, value, index_name):
    one = Filter(MATCHED[TAGS[keyword]], Exact(value))
    statement, values = compose(SearchQuery(level, 7, [one], frozenset(), limit=100))
    with psycopg.connect(search_sample.dsn) as connection:
        connection.execute(MANY_ROWS)
        plan = connection.execute(sql.SQL("EXPLAIN ") + statement, values).fetchall()
        connection.rollback()
    lines = "\n".join(line for (line,) in plan)
    assert f"{index_name} on " in lines or f"Bitmap Index Scan on {index_name}" in lines
    assert "Seq Scan on study" not in lines


def test_the_table_and_the_columns_agree(search_sample):
    with psycopg.connect(search_sample.dsn) as connection:
        for each in MATCHED.values():
            if each.keyword == "ModalitiesInStudy":
                continue
            values = {}
            one = {"IS": 1, "DA": date(2020, 1, 1), "TM": time(1)}.get(each.vr, "1")
            condition = each.condition(Exact(one), name="one", values=values)
            from_all = sql.SQL("SELECT FROM study, series, instance WHERE {}")
            connection.execute(from_all.format(condition), values)


def test_what_the_table_matches_can_be_searched():
    returned_only = {"NumberOfFrames", "Rows", "Columns", "BitsAllocated"}
    expected = {row.keyword for row in ATTRIBUTES if row.is_matched} - returned_only
    assert {each.keyword for each in MATCHED.values()} == expected | {"ModalitiesInStudy"}
    assert {row.tag for row in ATTRIBUTES if row.is_matched} <= ROW_TAGS
