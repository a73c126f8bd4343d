"""The kinds of matching on a real index: wildcards, lists, empty values, items, moments, groups."""

import json
from dataclasses import replace
from datetime import date, datetime, time

import pytest
from psycopg import sql

from longshore.index.search import SearchQuery, compose, search
from longshore.index.search_columns import MATCHED
from longshore.index.search_filters import DateTimeFilter, Filter
from longshore.index.search_items import MEMBERS, ItemFilter
from longshore.index.search_match import (
    AllOf,
    AnyOf,
    DateTimeRange,
    Empty,
    Exact,
    Level,
    Wildcard,
    WordPrefix,
)
from longshore.index.search_order import OrderBy
from tests.index.batches import instance, store

pytestmark = pytest.mark.anyio

BY_KEYWORD = {each.keyword: each for each in MATCHED.values()}
MEMBER_PATHS = {each.keyword.partition(".")[2]: path for path, each in MEMBERS.items()}
NAMES = {
    "1": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "2": "Müller^Max^^Dr",
    "3": "O'Brien_100%^Ann\\",
    "4": "Yamada",
    "5": "",
    "6": "Smith*Jones^A?b",
    "7": "Roe^Jane^^^=^",
}


async def found(database, *conditions, level=Level.STUDY):
    page = await search(database, SearchQuery(level, 1, conditions, frozenset(), limit=100))
    return {each.study_uid if level is Level.STUDY else each.series_uid for each in page.results}


async def store_names(database, keyword):
    for uid, name in NAMES.items():
        await store(database, instance(f"{uid}/{uid}.1/{uid}.1.1", {keyword: name}))


NAME_MATCHES = [
    (Exact("yamada^tarou"), "1"),
    (Exact("山田^太郎"), "1"),
    (Exact("やまだ^たろう"), "1"),
    (Exact("Yamada^Tarou=山田^太郎=やまだ^たろう"), "1"),
    (Exact("Yamada^Tarou=山田^太郎"), ""),
    (Exact("yamada"), "4"),
    (Exact("MULLER^max^^dr"), "2"),
    (Exact("太郎"), ""),
    (Wildcard("yama*"), "14"),
    (Wildcard("*mad*"), "14"),
    (Wildcard("*a"), "4"),
    (Wildcard("山田*"), "1"),
    (Wildcard("*太郎"), "1"),
    (Wildcard("*たろう"), "1"),
    (Wildcard("yamada^tarou*たろう"), "1"),
    (Wildcard("Y?mada"), "4"),
    (Wildcard("???ada"), "4"),
    (Wildcard("?????"), "1"),
    (Wildcard("*u"), "1"),
    (Wildcard("müller^*^^dr"), "2"),
    (Wildcard("*MULLER*"), "2"),
    (Wildcard("*100%*"), "3"),
    (Wildcard("*_100*"), "3"),
    (Wildcard("*ann\\"), "3"),
    (Wildcard("*1_0*"), ""),
    (Wildcard("o'%*"), ""),
    (Wildcard("smith*jones^a?b"), "6"),
    (Wildcard("x*"), ""),
    (Wildcard("*^*"), "12367"),
    (Wildcard("*=*"), "1"),
    (Wildcard("?*"), "123467"),
    (WordPrefix(("yam",)), "14"),
    (WordPrefix(("太",)), "1"),
    (WordPrefix(("山田", "太")), "1"),
    (WordPrefix(("たろう",)), "1"),
    (WordPrefix(("amada",)), ""),
    (WordPrefix(("max", "dr")), "2"),
    (WordPrefix(("muller", "max", "d")), "2"),
    (WordPrefix(("d",)), "2"),
    (WordPrefix(("100%",)), ""),
    (WordPrefix(("o'brien_100%", "a")), "3"),
    (Exact("roe^jane"), "7"),
    (Exact("Roe^Jane^^"), "7"),
    (Exact("Müller^Max^^Dr^"), "2"),
    (Exact("yamada^"), "4"),
    (Wildcard("roe^jane"), "7"),
    (Wildcard("roe^jan?"), "7"),
    (Wildcard("*^"), ""),
    (WordPrefix(("roe", "jane")), "7"),
    (AnyOf((Exact("山田^太郎"), Wildcard("mü*"))), "12"),
    (AnyOf((Exact("yamada"), Exact("やまだ^たろう"))), "14"),
    (Empty(), "5"),
]


@pytest.mark.parametrize("keyword", ["PatientName", "ReferringPhysicianName"])
async def test_names(database, keyword):
    await store_names(database, keyword)
    for match, expected in NAME_MATCHES:
        assert await found(database, Filter(BY_KEYWORD[keyword], match)) == set(expected), match


@pytest.mark.parametrize("keyword", ["PatientID", "AccessionNumber", "StudyID", "StudyDescription"])
async def test_texts(database, keyword):
    texts = {"1": "ABC-1", "2": "abc_2", "3": "ABC 3%", "4": "Äbc=^4", "5": "", "6": "A"}
    for uid, text in texts.items():
        await store(database, instance(f"{uid}/{uid}.1/{uid}.1.1", {keyword: text}))
    for match, expected in [
        (Wildcard("abc*"), "123"),
        (Wildcard("ABC?*"), "123"),
        (Wildcard("?bc*"), "1234"),
        (Wildcard("äBC*"), "4"),
        (Wildcard("*c_*"), "2"),
        (Wildcard("*%"), "3"),
        (Wildcard("abc?2"), "2"),
        (Wildcard("*=^4"), "4"),
        (Wildcard("=*"), ""),
        (Wildcard("^4*"), ""),
        (Wildcard("?"), "6"),
        (Wildcard("* 3%"), "3"),
        (AnyOf((Exact("abc-1"), Exact("ABC_2"), Exact("no"))), "12"),
        (AnyOf((Exact("abc-1"), Wildcard("ä*"))), "14"),
        (Empty(), "5"),
    ]:
        assert await found(database, Filter(BY_KEYWORD[keyword], match)) == set(expected), match


async def test_wildcards_at_the_series(database):
    await store(database, instance("1/1.1/1.1.1", {"ManufacturerModelName": "Scanner 9"}))
    await store(database, instance("1/1.2/1.2.1", {"ManufacturerModelName": "Other"}))
    await store(database, instance("1/1.3/1.3.1", {}))
    for match, expected in [
        (Wildcard("*ANN*"), {"1.1"}),
        (Wildcard("?????"), {"1.2"}),
        (Empty(), {"1.3"}),
    ]:
        one = Filter(BY_KEYWORD["ManufacturerModelName"], match)
        assert await found(database, one, level=Level.SERIES) == expected


async def test_uid_lists(database):
    for uid in "123":
        await store(database, instance(f"{uid}/{uid}.1/{uid}.1.1"))
    two = AnyOf((Exact("1"), Exact("3"), Exact("9")))
    assert await found(database, Filter(BY_KEYWORD["StudyInstanceUID"], two)) == {"1", "3"}
    classes = AnyOf((Exact("1.2.840.10008.5.1.4.1.1.2"), Exact("1.2")))
    one = Filter(BY_KEYWORD["SOPClassUID"], classes)
    page = await search(database, SearchQuery(Level.IMAGE, 1, [one], frozenset(), limit=10))
    assert len(page.results) == 3
    none = Filter(BY_KEYWORD["SOPClassUID"], Empty())
    page = await search(database, SearchQuery(Level.IMAGE, 1, [none], frozenset(), limit=10))
    assert page.results == []


async def test_modalities_in_study(database):
    for uid, modalities in {"1": ["CT", "PT"], "2": ["CT"], "3": ["MR"], "4": [""]}.items():
        for at, modality in enumerate(modalities):
            await store(
                database, instance(f"{uid}/{uid}.{at}/{uid}.{at}.1", {"Modality": modality})
            )
    ct, pt = Exact("CT"), Exact("pt")
    for match, expected in [
        (ct, "12"),
        (AnyOf((pt, Exact("MR"))), "13"),
        (AllOf((ct, pt)), "1"),
        (AllOf((ct, Exact("MR"))), ""),
        (Wildcard("?T"), "12"),
        (AllOf((ct, Wildcard("p*"))), "1"),
        (Empty(), "4"),
    ]:
        one = Filter(BY_KEYWORD["ModalitiesInStudy"], match)
        assert await found(database, one) == set(expected), match


MOMENTS = {
    "1": ("20060705", "0930"),
    "2": ("20060705", "1000"),
    "3": ("20060706", "0100"),
    "4": ("20060707", "1800"),
    "5": ("20060707", "180000.000001"),
    "6": ("20060706", ""),
    "7": ("20060705", ""),
    "8": ("", "1200"),
}


@pytest.mark.parametrize(
    ("date_keyword", "time_keyword", "level"),
    [
        ("StudyDate", "StudyTime", Level.STUDY),
        ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", Level.SERIES),
    ],
)
async def test_a_date_and_its_time_are_one_moment(database, date_keyword, time_keyword, level):
    for uid, (day, time_of_day) in MOMENTS.items():
        values = {date_keyword: day, time_keyword: time_of_day}
        await store(database, instance(f"{uid}/{uid}/{uid}.1.1", values))
    first, last = datetime(2006, 7, 5, 10), datetime(2006, 7, 7, 18)  # noqa: DTZ001
    for one, expected in [
        (DateTimeRange(first, last), "2346"),
        (DateTimeRange(first, None), "23456"),
        (DateTimeRange(None, last), "123467"),
    ]:
        both = DateTimeFilter(BY_KEYWORD[date_keyword], BY_KEYWORD[time_keyword], one)
        assert await found(database, both, level=level) == set(expected)


def with_requests(uid, *items):
    values = [
        {tag: {"vr": "SH", "Value": [value]} if value else {"vr": "SH"} for tag, value in each}
        for each in items
    ]
    sequence = {"00400275": {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}}
    made = instance(f"{uid}/{uid}.1/{uid}.1.1")
    return replace(made, series_json=json.dumps(json.loads(made.series_json) | sequence).encode())


STEP, PROCEDURE = "00400009", "00401001"


async def store_requests(database):
    await store(
        database,
        with_requests("1", [(STEP, "S1"), (PROCEDURE, "R1")], [(STEP, "S2"), (PROCEDURE, "R2")]),
        with_requests("2", [(STEP, "s1")]),
        with_requests("3", [(PROCEDURE, "r-100%")]),
        with_requests("4"),
        with_requests("5", [(STEP, "")]),
        instance("6/6.1/6.1.1"),
    )


async def test_members_of_requests(database):
    await store_requests(database)
    step, procedure = MEMBER_PATHS["ScheduledProcedureStepID"], MEMBER_PATHS["RequestedProcedureID"]
    for members, expected in [
        ([(step, Exact("S1"))], "12"),
        ([(step, Exact("s2 "))], "1"),
        ([(step, Exact("R1"))], ""),
        ([(procedure, Exact("R-100%"))], "3"),
        ([(step, Exact("S1")), (procedure, Exact("R1"))], "1"),
        ([(step, Exact("S1")), (procedure, Exact("R2"))], ""),
        ([(step, Exact("S1")), (procedure, Empty())], "2"),
        ([(step, Wildcard("S*")), (procedure, Wildcard("*2"))], "1"),
        ([(procedure, Wildcard("r?*"))], "13"),
        ([(step, AnyOf((Exact("S2"), Exact("no"))))], "1"),
    ]:
        one = ItemFilter(members)
        uids = await found(database, one, level=Level.SERIES)
        assert uids == {f"{each}.1" for each in expected}, members
    empty = Filter(MEMBERS[procedure], Empty())
    assert await found(database, empty, level=Level.SERIES) == {"2.1", "4.1", "5.1", "6.1"}


MANY = """
    INSERT INTO study
        (partition_key, study_uid, patient_id, patient_name, accession_number, attributes)
    SELECT 1, '3.' || n, md5('p' || n), md5('n' || n) || '^' || md5('m' || n), md5('a' || n), '{}'
    FROM generate_series(1, 5000) AS n;
    INSERT INTO series (study_key, series_uid, attributes)
    SELECT study_key, study_uid || '.1', jsonb_build_object(
        '00400275', jsonb_build_object('Value', jsonb_build_array(jsonb_build_object(
            '00400009', jsonb_build_object('Value', jsonb_build_array(study_uid))))))
    FROM study;
    ANALYZE study, series
"""


@pytest.mark.parametrize(
    ("condition", "level", "index_name"),
    [
        (Filter(BY_KEYWORD["PatientName"], Wildcard("*abc12*")), Level.STUDY, "study_trigrams"),
        (Filter(BY_KEYWORD["PatientName"], WordPrefix(("abc12",))), Level.STUDY, "study_trigrams"),
        (Filter(BY_KEYWORD["PatientID"], Wildcard("*abc12*")), Level.STUDY, "study_trigrams"),
        (Filter(BY_KEYWORD["PatientID"], Wildcard("*abc12*")), Level.IMAGE, "study_trigrams"),
        (
            Filter(BY_KEYWORD["AccessionNumber"], AnyOf((Exact("a"), Exact("b")))),
            Level.STUDY,
            "study_accession_number",
        ),
        (
            ItemFilter([(MEMBER_PATHS["ScheduledProcedureStepID"], Exact("3.77"))]),
            Level.SERIES,
            "series_request_ids",
        ),
    ],
)
async def test_selective_matches_use_their_index(database, rows, condition, level, index_name):
    rows(MANY)
    query = SearchQuery(level, 1, [condition], frozenset(), limit=50)
    statement, values = compose(query)
    async with database.connection() as connection:
        cursor = await connection.execute(sql.SQL("EXPLAIN ") + statement, values)
        lines = "\n".join(line for (line,) in await cursor.fetchall())
    assert index_name in lines
    assert "Seq Scan on study" not in lines
    assert "Seq Scan on series" not in lines


async def test_the_latest_studies_come_from_their_index(database, rows):
    rows(MANY)
    latest = [OrderBy(BY_KEYWORD["StudyDate"], is_descending=True)]
    query = SearchQuery(Level.STUDY, 1, (), frozenset(), limit=50, order=latest)
    statement, values = compose(query)
    async with database.connection() as connection:
        cursor = await connection.execute(sql.SQL("EXPLAIN ") + statement, values)
        lines = "\n".join(line for (line,) in await cursor.fetchall())
    assert "study_study_date" in lines
    assert "Seq Scan on study" not in lines


def test_what_is_matched_shows_in_no_repr():
    name = "hidden"
    for match in (Wildcard(name), AnyOf((Exact(name),)), WordPrefix((name,))):
        assert name not in repr(Filter(BY_KEYWORD["PatientName"], match))
    moment = datetime(1999, 12, 31)  # noqa: DTZ001
    assert "1999" not in repr(DateTimeRange(moment, None))
    assert "1999" not in repr(Exact(date(1999, 1, 1)))
    assert "59" not in repr(Exact(time(23, 59)))
