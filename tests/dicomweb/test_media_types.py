from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from longshore.dicomweb import media_types
from longshore.dicomweb.media_types import MediaRange, accepted, accepts_gzip, parse_accept
from longshore.errors import InvalidRequest, NotAcceptable, UnsupportedMediaType

DICOM_ANY = MediaRange(
    "multipart/related", (("type", "application/dicom"), ("transfer-syntax", "*")), 1.0
)
PYTHON_CLIENT_BOUNDARY = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
OCTETS_ANY = MediaRange(
    "multipart/related", (("type", "application/octet-stream"), ("transfer-syntax", "*")), 1.0
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('multipart/related; type="application/dicom"; transfer-syntax=*', [DICOM_ANY]),
        ("multipart/related;type=application/dicom;transfer-syntax=*", [DICOM_ANY]),
        ('MULTIPART/Related; TYPE="application/dicom"; Transfer-Syntax="*"', [DICOM_ANY]),
        ('multipart/related;type="application/dicom" ; transfer-syntax = *', [DICOM_ANY]),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", [OCTETS_ANY]),
        ("*", [MediaRange("*/*", (), 1.0)]),
        ("", []),
        (" , ;", []),
        ("nonsense", []),
        ("a/b;q=0", []),
        ("a/b;q=0.0, c/d", [MediaRange("c/d", (), 1.0)]),
        ("a/b; q=.2, c/d; q=1, */*;q=0.3", [
            MediaRange("c/d", (), 1.0), MediaRange("*/*", (), 0.3), MediaRange("a/b", (), 0.2)
        ]),
        ("a/b;q=high", [MediaRange("a/b", (), 1.0)]),
        ('a/b; x="1, 2; 3", c/d', [MediaRange("a/b", (("x", "1, 2; 3"),), 1.0),
                                  MediaRange("c/d", (), 1.0)]),
        (r'a/b; x="say \"so\""', [MediaRange("a/b", (("x", 'say "so"'),), 1.0)]),
        ('a/b; x="open', [MediaRange("a/b", (("x", "open"),), 1.0)]),
        ("a/b;;flag", [MediaRange("a/b", (("", ""), ("flag", "")), 1.0)]),
    ],
)  # fmt: skip
def test_accept_reads_as(text: str, expected: list[MediaRange]) -> None:
    assert parse_accept(text) == expected


def test_doubled_parameter_keeps_both_values_in_order() -> None:
    (each,) = parse_accept('a/b; transfer-syntax="1.2"; type="c/d"; transfer-syntax="*"')
    assert each.values("transfer-syntax") == ("1.2", "*")
    assert each.values("type") == ("c/d",)
    assert each.values("charset") == ()


def test_equal_qualities_keep_the_order_sent() -> None:
    ranges = parse_accept("a/1, b/1;q=0.5, a/2, b/2;q=0.5")
    assert [each.media_type for each in ranges] == ["a/1", "a/2", "b/1", "b/2"]


@given(st.text(alphabet='a/b*;,="\\ \tq.01-+', max_size=60))
def test_any_text_reads_as_something(text: str) -> None:
    for each in parse_accept(text):
        assert each.media_type.count("/") == 1
        assert 0 < each.quality <= 1


def test_accept_has_a_limit() -> None:
    with pytest.raises(NotAcceptable, match="8192 characters"):
        parse_accept("a/b," * 3000)


# All that is asked of the service: whether a missing Accept is refused.
LENIENT = SimpleNamespace(state=SimpleNamespace(origin=SimpleNamespace(is_accept_strict=False)))


def request(accept: str | None = None, query: str = "") -> Request:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    scope = {"type": "http", "headers": headers, "query_string": query.encode(), "app": LENIENT}
    return Request(scope)


def test_several_accept_headers_are_one_list() -> None:
    both = [(b"accept", b"a/b"), (b"accept", b"c/d")]
    ranges = accepted(Request({"type": "http", "headers": both, "query_string": b""}))
    assert [each.media_type for each in ranges] == ["a/b", "c/d"]


@pytest.mark.parametrize(
    "query",
    [
        "accept=application/dicom%2Bjson",
        "accept=application/dicom+json",
        "accept=application%2Fdicom%2bjson",
    ],
)
def test_accept_parameter_outranks_the_header_and_may_hold_a_bare_plus(query: str) -> None:
    assert [each.media_type for each in accepted(request("text/html", query))] == [
        "application/dicom+json"
    ]


def test_accept_that_excludes_everything_is_not_a_missing_one() -> None:
    assert accepted(request()) == []
    assert accepted(request("")) == []
    with pytest.raises(NotAcceptable):
        accepted(request("*/*;q=0"))


@pytest.mark.parametrize(
    "accept",
    [
        None, "", "*", "*/*", "application/*", "application/json", "application/dicom+json",
        "APPLICATION/DICOM+JSON", "application/dicom+json, application/json",
        "application/dicom+json; transfer-syntax=*",
        "application/dicom+json, multipart/related; type=application/octet-stream",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    ],
)  # fmt: skip
def test_dicom_json_is_accepted_by(accept: str | None) -> None:
    assert media_types.dicom_json_or_xml(request(accept)) == media_types.DICOM_JSON


@pytest.mark.parametrize(
    "accept",
    ["application/dicom", "text/html", "application/dicom+json;q=0", "image/*", "gibberish"],
)
def test_dicom_json_is_not_accepted_by(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        media_types.dicom_json_or_xml(request(accept), in_parts=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gzip", True), ("GZIP", True), ("gzip, deflate, br", True), ("*", True), ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True), ("gzip;q=0.001", True),
        (None, False), ("", False), ("identity", False), ("gzip;q=0", False),
        ("gzip;q=0, *", False), ("*;q=0", False), ("br", False),
    ],
)  # fmt: skip
def test_gzip_is_accepted_by(text: str | None, expected: bool) -> None:
    assert accepts_gzip(text) is expected


def body_of(content_type: str | None) -> media_types.StoreContent:
    headers = [] if content_type is None else [(b"content-type", content_type.encode("latin-1"))]
    return media_types.store_content(Request({"type": "http", "headers": headers}))


@pytest.mark.parametrize(
    ("content_type", "boundary", "root_type"),
    [
        ("application/dicom", None, None),
        ("Application/DICOM; transfer-syntax=1.2.840.10008.1.2.1", None, None),
        ('multipart/related; type="application/dicom"; boundary="<0f3c-12>"', b"<0f3c-12>",
         "application/dicom"),  # dicomweb-client JS
        (f'multipart/related; type="application/dicom"; boundary={PYTHON_CLIENT_BOUNDARY}',
         PYTHON_CLIENT_BOUNDARY.encode(), "application/dicom"),  # dicomweb-client Python
        ('multipart/related; type="application/dicom"; boundary=myboundary', b"myboundary",
         "application/dicom"),  # dcm4che
        ("multipart/related;boundary=weasisDicomBoundary;type=application/dicom",
         b"weasisDicomBoundary", "application/dicom"),
        ("MULTIPART/RELATED; BOUNDARY=A; TYPE=APPLICATION/DICOM", b"A", "application/dicom"),
        ("multipart/related; boundary=a", b"a", None),
    ],
)  # fmt: skip
def test_store_content(content_type: str, boundary: bytes | None, root_type: str | None) -> None:
    assert body_of(content_type) == media_types.StoreContent(boundary, root_type)


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        (None, "The specified content type '' is not supported."),
        ("application/dicom+json", "is not supported"),
        ('multipart/related; type="image/jpeg"; boundary=a', "is not supported"),
        ("multipart/form-data; boundary=a", "is not supported"),
        ('multipart/related; type="application/dicom"', "missing boundary"),
        ("multipart/related; boundary=", "missing boundary"),
    ],
)
def test_content_that_cannot_be_stored(content_type: str | None, text: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=text):
        body_of(content_type)


def test_parameters_that_cannot_be_followed() -> None:
    with pytest.raises(InvalidRequest, match="start parameter"):
        body_of('multipart/related; boundary=a; start="<1>"')
    with pytest.raises(InvalidRequest, match="ASCII"):
        body_of("multipart/related; boundary=\xe4")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/dicom+json"),
        ("", "application/dicom+json"),
        ("*", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/*", "application/dicom+json"),
        ("application/json", "application/dicom+json"),
        ("application/dicom+json, application/json", "application/dicom+json"),
        ("application/dicom+xml", "application/dicom+xml"),
        ("Application/DICOM+XML; charset=utf-8", "application/dicom+xml"),
        ("application/dicom+xml, application/dicom+json", "application/dicom+json"),
        ("application/dicom+xml, */*;q=0.1", "application/dicom+xml"),
        ("application/dicom+xml;q=0.9, application/dicom+json;q=0.5", "application/dicom+xml"),
        ("application/dicom+xml;q=0.5, */*;q=0.9", "application/dicom+json"),
        ("application/dicom+xml;q=0.5, text/html", "application/dicom+xml"),
    ],
)
def test_one_data_set_as_json_or_xml(accept: str | None, expected: str) -> None:
    assert media_types.dicom_json_or_xml(request(accept)) == expected


@pytest.mark.parametrize("accept", ["application/dicom", "text/html", "application/dicom+xml;q=0"])
def test_neither_json_nor_xml_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        media_types.dicom_json_or_xml(request(accept))


@pytest.mark.parametrize(
    ("content_type", "is_metadata"),
    [
        ("application/dicom", False),
        ("multipart/related; boundary=a", False),
        ('multipart/related; type="application/dicom"; boundary=a', False),
        ('multipart/related; type="application/dicom+json"; boundary=a', True),
        ("multipart/related; type=application/json; boundary=a", True),
        ('Multipart/Related; Boundary="a"; Type="Application/DICOM+XML"', True),
    ],
)
def test_whether_metadata_and_bulkdata_come_apart(content_type: str, is_metadata: bool) -> None:
    headers = [(b"content-type", content_type.encode())]
    sent = Request({"type": "http", "headers": headers, "query_string": b"", "app": LENIENT})
    assert media_types.store_content(sent).is_metadata is is_metadata
