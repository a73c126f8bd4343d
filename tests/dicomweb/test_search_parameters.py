"""The query string of a Search: every rule of the model, as a table."""

from datetime import date, datetime, time

import pytest
from starlette.datastructures import QueryParams

from longshore.dicomweb.search_attributes import (
    ALL_INSTANCES,
    ALL_SERIES,
    ALL_STUDIES,
    SERIES_INSTANCES,
    STUDY_INSTANCES,
    STUDY_SERIES,
)
from longshore.dicomweb.search_parameters import SearchParameters, parse_parameters
from longshore.errors import InvalidRequest
from longshore.index.search import SearchLimits
from longshore.index.search_filters import DateTimeFilter, Filter
from longshore.index.search_items import ItemFilter
from longshore.index.search_match import (
    AllOf,
    AnyOf,
    DateTimeRange,
    Empty,
    Exact,
    Range,
    Wildcard,
    WordPrefix,
)


def parse(query: str, resource=ALL_STUDIES) -> SearchParameters:
    return parse_parameters(QueryParams(query).multi_items(), resource, SearchLimits())


def matches(query: str, resource=ALL_STUDIES):
    filters = [each for each in parse(query, resource).filters if isinstance(each, Filter)]
    return {each.attribute.tag: each.match for each in filters}


def test_nothing_asked():
    parameters = parse("")
    assert (parameters.limit, parameters.skip) == (100, 0)
    assert not parameters.filters
    assert not parameters.included
    assert not parameters.is_all


@pytest.mark.parametrize(
    ("query", "tag", "match"),
    [
        ("PatientID=A1", 0x00100020, Exact("A1")),
        ("00100020=A1", 0x00100020, Exact("A1")),
        ("0020000d=1.2", 0x0020000D, Exact("1.2")),
        (" PatientID =%20A1%09", 0x00100020, Exact("A1")),
        ("PatientName=Doe+John", 0x00100010, Exact("Doe John")),
        ("PatientName=J%C3%B6rg", 0x00100010, Exact("Jörg")),
        ("PatientID=A*", 0x00100020, Wildcard("A*")),
        ("PatientID=?%2A", 0x00100020, Wildcard("?*")),
        ("PatientID=a%5Cb", 0x00100020, AnyOf((Exact("a"), Exact("b")))),
        ("PatientID=a%5Cb*%5C", 0x00100020, AnyOf((Exact("a"), Wildcard("b*")))),
        ("PatientID=a,b", 0x00100020, Exact("a,b")),
        ('PatientID=""', 0x00100020, Exact('""')),
        ('PatientID=""&emptyvaluematching=true', 0x00100020, Empty()),
        ("StudyDate=%22%22&EmptyValueMatching=TRUE", 0x00080020, Empty()),
        ("PatientID=a-b", 0x00100020, Exact("a-b")),
        ("StudyInstanceUID=1.2%5C1.3", 0x0020000D, AnyOf((Exact("1.2"), Exact("1.3")))),
        ("StudyInstanceUID=1.2\\1.3", 0x0020000D, AnyOf((Exact("1.2"), Exact("1.3")))),
        ("StudyInstanceUID=1.2,%201.3%2C", 0x0020000D, AnyOf((Exact("1.2"), Exact("1.3")))),
        ("StudyInstanceUID=1.2%00", 0x0020000D, Exact("1.2")),
        ("StudyInstanceUID=1.?", 0x0020000D, Exact("1.?")),
        ("ModalitiesInStudy=CT,MR", 0x00080061, AnyOf((Exact("CT"), Exact("MR")))),
        (
            "ModalitiesInStudy=CT%5CMR&multiplevaluematching=false",
            0x00080061,
            AnyOf((Exact("CT"), Exact("MR"))),
        ),
        (
            "ModalitiesInStudy=CT%5CMR&multiplevaluematching=true",
            0x00080061,
            AllOf((Exact("CT"), Exact("MR"))),
        ),
        ("PatientID=a%5Cb&multiplevaluematching=true", 0x00100020, AnyOf((Exact("a"), Exact("b")))),
        ("PatientName=*joh*&fuzzymatching=true", 0x00100010, Wildcard("*joh*")),
        ("ModalitiesInStudy=CT", 0x00080061, Exact("CT")),
        ("StudyDate=20200229", 0x00080020, Exact(date(2020, 2, 29))),
        ("StudyDate=20200101-20201231", 0x00080020, Range(date(2020, 1, 1), date(2020, 12, 31))),
        ("StudyDate=20200101-20200101", 0x00080020, Range(date(2020, 1, 1), date(2020, 1, 1))),
        ("StudyDate=20200101-", 0x00080020, Range(date(2020, 1, 1), None)),
        ("StudyDate=-20200101", 0x00080020, Range(None, date(2020, 1, 1))),
        (
            "StudyDate=20200101%20-%2020200102",
            0x00080020,
            Range(date(2020, 1, 1), date(2020, 1, 2)),
        ),
        ("StudyTime=101530.25", 0x00080030, Exact(time(10, 15, 30, 250_000))),
        ("StudyTime=10", 0x00080030, Exact(time(10))),
        ("StudyTime=1015-1130", 0x00080030, Range(time(10, 15), time(11, 30))),
        ("StudyTime=235960", 0x00080030, Exact(time(23, 59, 59, 999_999))),
        ("PatientName=joh&fuzzymatching=true", 0x00100010, WordPrefix(("joh",))),
        ("PatientName=John^Do&FuzzyMatching=TRUE", 0x00100010, WordPrefix(("John", "Do"))),
        ("PatientName=^^&fuzzymatching=true", 0x00100010, Exact("^^")),
        ("PatientName=joh&fuzzymatching=false", 0x00100010, Exact("joh")),
        ("PatientID=joh&fuzzymatching=true", 0x00100020, Exact("joh")),
    ],
)
def test_one_filter(query, tag, match):
    assert matches(query) == {tag: match}


@pytest.mark.parametrize(
    "query", ["PatientID=", "PatientID=%20", "PatientID", "PatientID=*", "PatientID=**"]
)
def test_universal_matching_only_returns_the_attribute(query):
    for other in ("", "&emptyvaluematching=true", "&fuzzymatching=true"):
        parameters = parse(query + other)
        assert not parameters.filters
        assert parameters.matched == {0x00100020}


@pytest.mark.parametrize("query", ["StudyDate=*", "StudyTime=", "StudyInstanceUID=*"])
def test_universal_matching_of_any_vr(query):
    assert not parse(query).filters
    assert len(parse(query).matched) == 1


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        (
            "StudyDate=20060705-20060707&StudyTime=1000-1800",
            datetime(2006, 7, 5, 10),  # noqa: DTZ001 - stored without a time zone
            datetime(2006, 7, 7, 18),  # noqa: DTZ001
        ),
        (
            "StudyTime=1800-1000&StudyDate=20060705-20060707",
            datetime(2006, 7, 5, 18),  # noqa: DTZ001
            datetime(2006, 7, 7, 10),  # noqa: DTZ001
        ),
        ("StudyDate=20060705-&StudyTime=10-", datetime(2006, 7, 5, 10), None),  # noqa: DTZ001
        ("StudyDate=-20060705&StudyTime=-10", None, datetime(2006, 7, 5, 10)),  # noqa: DTZ001
    ],
)
def test_ranges_of_a_date_and_its_time_are_one(query, first, last):
    parameters = parse(query)
    (one,) = parameters.filters
    assert isinstance(one, DateTimeFilter)
    assert one.match == DateTimeRange(first, last)
    assert parameters.matched == {0x00080020, 0x00080030}


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=20060705-20060707&StudyTime=1000-",
        "StudyDate=20060705-&StudyTime=-1000",
        "StudyDate=20060705&StudyTime=1000-1800",
        "StudyDate=20060705-20060707&StudyTime=1000",
        "StudyDate=20060705-20060707&StudyTime=*",
        "PatientBirthDate=20060705-20060707&StudyTime=1000-1800",
    ],
)
def test_other_dates_and_times_are_matched_each_on_its_own(query):
    assert not any(isinstance(each, DateTimeFilter) for each in parse(query).filters)


def test_the_members_of_a_sequence_are_matched_in_one_item():
    query = "00400275.00400009=a&RequestAttributesSequence.RequestedProcedureID=b"
    parameters = parse(query, STUDY_SERIES)
    paths = ((0x00400275, 0x00400009), Exact("a")), ((0x00400275, 0x00401001), Exact("b"))
    assert parameters.filters == [ItemFilter(list(paths))]
    assert parameters.matched == {0x00400275}
    with pytest.raises(InvalidRequest, match="both by keyword and by tag"):
        parse(f"{query}&00400275.RequestedProcedureID=c", STUDY_SERIES)


def test_that_a_member_is_empty_needs_no_item():
    query = "RequestAttributesSequence.RequestedProcedureID=%22%22&emptyvaluematching=true"
    (one,) = parse(query, ALL_SERIES).filters
    assert isinstance(one, Filter)
    assert one.match == Empty()


@pytest.mark.parametrize(
    ("query", "match"), [("0003", Exact(3)), ("-1", Exact(-1)), ("%2B7", Exact(7))]
)
def test_integer_strings_are_numbers(query, match):
    assert matches(f"SeriesNumber={query}", ALL_SERIES) == {0x00200011: match}


@pytest.mark.parametrize(
    "query",
    [
        "PatientID=%00",
        "StudyDate=2020",
        "StudyDate=20200230",
        "StudyDate=2020-01-01",
        "StudyDate=2020.01.01",
        "StudyDate=-",
        "StudyDate=20200102-20200101",
        "StudyDate=20200101-20200102-20200103",
        "StudyDate=20200101,20200102",
        "StudyDate=00000101",
        "StudyDate=%D9%A2%D9%A0%D9%A2%D9%A0%D9%A0%D9%A1%D9%A0%D9%A1",
        "StudyTime=1",
        "StudyTime=2400",
        "StudyTime=1060",
        "StudyTime=101010.1234567",
        "StudyTime=10:10",
        "StudyTime=11-10",
        "PatientName=%22a&fuzzymatching=true",
    ],
)
def test_values_that_cannot_be_read(query):
    with pytest.raises(InvalidRequest) as caught:
        parse(query)
    name, value = QueryParams(query).multi_items()[0]
    assert name in str(caught.value)
    assert value == "-" or value not in str(caught.value)


@pytest.mark.parametrize("value", ["x", "1.5", "1e3", "1,2", "1*", "1" * 13, "٣"])
def test_integers_that_cannot_be_read(value):
    with pytest.raises(InvalidRequest, match="InstanceNumber"):
        parse(f"InstanceNumber={value}", ALL_INSTANCES)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("patientid=x", "case-sensitive"),
        ("NotAnAttribute=x", "NotAnAttribute"),
        ("0010002=x", "8 hexadecimal digits"),
        ("0010,0020=x", "8 hexadecimal digits"),
        ("(0010,0020)=x", "8 hexadecimal digits"),
        ("RequestAttributesSequence.AccessionNumber=x", "cannot be matched"),
        ("RequestAttributesSequence.RequestedProcedureID=x", "cannot be matched at /studies"),
        ("RequestAttributesSequence.=x", "no attribute"),
        (".RequestedProcedureID=x", "no attribute"),
        ("00400275/00080050=x", "no attribute"),
        ("emptyvaluematching=1", "emptyvaluematching"),
        ("multiplevaluematching=yes", "multiplevaluematching"),
        ("StudyTime=1000-1100&StudyDate=20200102-20200101", "StudyDate"),
        ("StudyTime=1100-1000&StudyDate=20200101-20200101", "StudyDate"),
        ("StudyTime=1100-1000&StudyDate=20200101", "StudyTime"),
        ("StudyInstanceUID=,%5C", "at least one value"),
        ("=x", "no attribute"),
        ("TransferSyntaxUID=1", "cannot be matched at /studies"),
        ("PatientSex=M", "cannot be matched at /studies; accepted: AccessionNumber"),
        ("00091001=x", "cannot be matched"),
        ("Modality=CT", "cannot be matched"),
        ("PatientID=x&PatientID=y", "more than once"),
        ("PatientID=x&PatientID=x", "more than once"),
        ("PatientID=x&patientid=x", "no attribute"),
        ("PatientID=x&00100020=x", "both by keyword and by tag"),
        ("0020000D=1&0020000d=1", "StudyInstanceUID"),
        ("includefield=NotATag", "'NotATag'"),
        ("includefield=patientsex", "case-sensitive"),
        ("includefield=", "no attribute"),
        ("includefield=PatientSex,,", "no attribute"),
        ("includefield=00400275.", "no attribute"),
        ("includefield=00400275.NotATag", "no attribute"),
        ("includefield=PatientName.PatientID", "only sequences have members"),
        ("includefield=all,PatientSex", "stands alone"),
        ("includefield=PatientSex&includefield=ALL", "stands alone"),
        ("limit=0", "from 1 to"),
        ("limit=9223372036854775808", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=1&LIMIT=2", "more than once"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("offset=9223372036854775808", "offset"),
        ("offset=1&offset=1", "more than once"),
        ("fuzzymatching=maybe", "fuzzymatching"),
        ("fuzzymatching=1", "fuzzymatching"),
        ("fuzzymatching=", "fuzzymatching"),
        ("totalcount=yes", "totalcount"),
        ("totalcount=true&TotalCount=true", "more than once"),
        ("orderby=", "ordered"),
        ("orderby=StudyDate,", "ordered"),
        ("orderby=studydate", "'studydate'"),
        ("orderby=--StudyDate", "ordered"),
        ("orderby=Modality", "'Modality' at /studies; accepted, with -"),
        ("orderby=PatientSex", "accepted, with - before one that descends: AccessionNumber"),
        ("orderby=ModalitiesInStudy", "ModalitiesInStudy"),
        ("orderby=StudyDate,-00080020", "StudyDate twice"),
        ("cursor=", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=WzFd&offset=0", "exclude each other"),
    ],
)
def test_refused(query, says):
    with pytest.raises(InvalidRequest) as caught:
        parse(query)
    assert says in str(caught.value)


def test_a_key_that_may_be_a_value_is_not_repeated():
    with pytest.raises(InvalidRequest) as caught:
        parse("Doe^John")
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "included"),
    [
        ("includefield=PatientSex", {0x00100040}),
        ("includefield=00081030%2C00080060", {0x00081030, 0x00080060}),
        (
            "IncludeField=PatientSex, PatientAge&includefield=0020000e",
            {0x00100040, 0x00101010, 0x0020000E},
        ),
        ("includefield=00091001", {0x00091001}),
        ("includefield=PatientSex,00100040", {0x00100040}),
        ("includefield=RequestAttributesSequence", {0x00400275}),
        ("includefield=AvailableTransferSyntaxUID", {0x00083002}),
        ("includefield=00400275.00080050", {0x00400275}),
        (
            "includefield=RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue",
            {0x00400275},
        ),
        ("includefield=00091001.00080050", {0x00091001}),
    ],
)
def test_includefield(query, included):
    parameters = parse(query)
    assert parameters.included == included
    assert not parameters.is_all


@pytest.mark.parametrize("text", ["all", "ALL", "%20All%20"])
def test_includefield_all(text):
    assert parse(f"includefield={text}").is_all


@pytest.mark.parametrize(
    ("query", "limit", "skip"),
    [
        ("limit=1", 1, 0),
        ("limit=200&offset=0", 200, 0),
        ("limit=5000", 5_000, 0),
        ("limit=5001", 5_000, 0),
        ("limit=9223372036854775807", 5_000, 0),
        ("LIMIT=25&Offset=50", 25, 50),
        ("limit=%2025%20", 25, 0),
        ("offset=9223372036854775807", 100, 2**63 - 1),
    ],
)
def test_paging(query, limit, skip):
    parameters = parse(query)
    assert (parameters.limit, parameters.skip) == (limit, skip)


def test_the_accept_parameter_is_read_elsewhere():
    assert not parse("accept=application/dicom%2Bjson&charset=utf-8").matched


_STUDY = "PatientID=x"
_SERIES = "SeriesInstanceUID=1"
_INSTANCE = "SOPInstanceUID=1"


@pytest.mark.parametrize(
    ("resource", "accepted"),
    [
        (ALL_STUDIES, {_STUDY}),
        (ALL_SERIES, {_STUDY, _SERIES}),
        (ALL_INSTANCES, {_STUDY, _SERIES, _INSTANCE}),
        (STUDY_SERIES, {_SERIES}),
        (STUDY_INSTANCES, {_SERIES, _INSTANCE}),
        (SERIES_INSTANCES, {_INSTANCE}),
    ],
)
def test_levels_that_may_be_matched(resource, accepted):
    for query in (_STUDY, _SERIES, _INSTANCE):
        if query in accepted:
            assert len(matches(query, resource)) == 1
        else:
            with pytest.raises(InvalidRequest, match="cannot be matched"):
                parse(query, resource)


def test_every_matched_attribute_is_accepted_by_keyword_and_by_tag():
    values = {"StudyDate": "20200101", "PatientBirthDate": "20200101", "StudyTime": "10"}
    values |= {"PerformedProcedureStepStartDate": "20200101"}
    values |= {"PerformedProcedureStepStartTime": "10"}
    attributes = {
        "StudyInstanceUID": "0020000D",
        "StudyDate": "00080020",
        "StudyTime": "00080030",
        "AccessionNumber": "00080050",
        "ReferringPhysicianName": "00080090",
        "StudyDescription": "00081030",
        "PatientName": "00100010",
        "PatientID": "00100020",
        "PatientBirthDate": "00100030",
        "StudyID": "00200010",
        "ModalitiesInStudy": "00080061",
        "Modality": "00080060",
        "SeriesInstanceUID": "0020000E",
        "SeriesNumber": "00200011",
        "PerformedProcedureStepStartDate": "00400244",
        "PerformedProcedureStepStartTime": "00400245",
        "ManufacturerModelName": "00081090",
        "SOPClassUID": "00080016",
        "SOPInstanceUID": "00080018",
        "InstanceNumber": "00200013",
    }
    for keyword, tag in attributes.items():
        value = values.get(keyword, "1")
        by_keyword = matches(f"{keyword}={value}", ALL_INSTANCES)
        assert by_keyword == matches(f"{tag}={value}", ALL_INSTANCES)
        assert by_keyword.keys() == {int(tag, 16)}
    with pytest.raises(InvalidRequest) as caught:
        parse("Rows=1", ALL_INSTANCES)
    named = str(caught.value).partition("accepted: ")[2].rstrip(".").split(", ")
    items = {"ScheduledProcedureStepID", "RequestedProcedureID"}
    assert set(named) == attributes.keys() | {f"RequestAttributesSequence.{each}" for each in items}


def test_what_is_searched_for_shows_in_no_repr():
    parameters = parse("PatientName=secret&StudyDate=20200101-&fuzzymatching=true")
    assert "secret" not in repr(parameters)
    assert "2020" not in repr(parameters)
    assert "secret" not in repr(parse("PatientID=secret"))


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", []),
        ("orderby=StudyDate", [("StudyDate", False)]),
        ("OrderBy=-00080020, 00100010", [("StudyDate", True), ("PatientName", False)]),
    ],
)
def test_orderby(query, order):
    found = [(each.attribute.keyword, each.is_descending) for each in parse(query).order]
    assert found == order


def test_totalcount():
    assert parse("totalcount=TRUE").wants_total
    assert not parse("totalcount=false").wants_total
    assert not parse("").wants_total
