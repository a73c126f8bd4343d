"""Native DICOM Model XML: what is written is read again, and hostile documents are refused."""

import base64
import string
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.dicomweb import native_xml, native_xml_reader
from longshore.errors import InvalidRequest
from tests.support.corpus import corpus_files
from tests.support.dicom_json import pydicom_model

NAMESPACES = {"n": native_xml.NAMESPACE}

_texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), min_size=1
).filter(lambda text: bool(text.strip()) and not set(text) & {"\ufffe", "\uffff"})
_tags = st.integers(0x0008_0001, 0x7FE0_FFFF).map(lambda tag: f"{tag & 0xFFFEFFFF:08X}")
_components = st.lists(_texts.filter(lambda text: "^" not in text), min_size=1, max_size=5)
_names = st.dictionaries(
    st.sampled_from(native_xml.NAME_GROUPS), _components.map("^".join), min_size=1
)


def _element(vr: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    full = st.lists(st.none() | values, min_size=1, max_size=4)
    return st.one_of(st.just({"vr": vr}), full.map(lambda some: {"vr": vr, "Value": some}))


_plain = st.one_of(
    _element("LO", _texts),
    _element("UT", _texts),
    _element("SL", st.integers(-(2**31), 2**31 - 1)),
    _element("UV", st.integers(0, 2**64 - 1)),
    _element("FD", st.floats(allow_nan=False, allow_infinity=False)),
    _element("PN", _names),
    st.binary(min_size=1).map(
        lambda some: {"vr": "OB", "InlineBinary": base64.b64encode(some).decode()}
    ),
    st.text(string.printable.strip(), min_size=1).map(lambda uri: {"vr": "OW", "BulkDataURI": uri}),
)
_datasets = st.recursive(
    st.dictionaries(_tags, _plain, max_size=4),
    lambda inner: st.dictionaries(
        _tags,
        _plain | st.lists(inner, max_size=3).map(lambda items: {"vr": "SQ", "Value": items}),
        max_size=4,
    ),
    max_leaves=8,
)


def _without_empty(dataset: Any) -> Any:
    """An XML element without values is one whose `Value` is absent."""
    if isinstance(dataset, list):
        return [_without_empty(each) for each in dataset]
    if not isinstance(dataset, dict):
        return dataset
    return {
        name: _without_empty(value)
        for name, value in dataset.items()
        if not (name == "Value" and value == [])
    }


@given(_datasets)
def test_what_is_written_is_read_again(dataset: Any) -> None:
    assert native_xml_reader.read(native_xml.write(dataset)) == _without_empty(dataset)


def test_files_of_the_corpus_come_back() -> None:
    compared = 0
    for file in corpus_files():
        try:
            model: Any = pydicom_model(file.read())
        except Exception:  # noqa: S112  # what pydicom cannot read is no matter here
            continue
        read = native_xml_reader.read(native_xml.write(model))
        assert _comparable(read) == _comparable(model), file.name
        compared += 1
    assert compared > 300


def _comparable(value: Any, vr: str = "") -> Any:
    """DS is a text behind XML, IS may be; padding and characters that XML has not are no matter."""
    if isinstance(value, list):
        return [_comparable(each, vr) for each in value] or None
    if isinstance(value, dict):
        vr = str(value.get("vr", vr))
        found = {
            name: each if name == "vr" else _comparable(each, vr) for name, each in value.items()
        }
        return {name: each for name, each in found.items() if each is not None} or None
    if isinstance(value, int | float):
        return float(value)
    if vr in ("DS", "IS") and isinstance(value, str) and value.strip():
        return float(value)
    if isinstance(value, str):
        legal = "".join(each if each >= " " or each in "\t\n\r" else "\ufffd" for each in value)
        return legal.rstrip("^") or None if legal.strip() else None
    return value


def test_names_groups_items_keywords_and_creators() -> None:
    dataset = {
        "00100010": {
            "vr": "PN",
            "Value": [{"Alphabetic": "Yamada^Tarou^^Dr", "Ideographic": "山田^太郎"}],
        },
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}, {}]},
        "00090010": {"vr": "LO", "Value": ['A & "B"']},
        "00091001": {"vr": "UN", "InlineBinary": "AAE="},
        "7FE00010": {"vr": "OW", "BulkDataURI": "http://x/bulk?a=1&b=2"},
    }
    root = ElementTree.fromstring(native_xml.write(dataset))  # noqa: S314  # our own
    assert root.tag == f"{{{native_xml.NAMESPACE}}}NativeDicomModel"

    def text(path: str) -> str | None:
        return root.findtext(path, namespaces=NAMESPACES)

    name = "n:DicomAttribute[@keyword='PatientName']/n:PersonName[@number='1']/n:Alphabetic"
    assert text(f"{name}/n:FamilyName") == "Yamada"
    assert text(f"{name}/n:NamePrefix") == "Dr"
    assert text(f"{name}/n:MiddleName") is None
    assert text("n:DicomAttribute[@tag='00080060'][@vr='CS']/n:Value[@number='1']") == "CT"
    items = root.findall(".//n:Item", NAMESPACES)
    assert [item.get("number") for item in items] == ["1", "2"]
    private = root.find("n:DicomAttribute[@tag='00091001']", NAMESPACES)
    assert private is not None
    assert private.get("privateCreator") == 'A & "B"'
    assert private.get("keyword") is None
    bulk = root.find(".//n:BulkData", NAMESPACES)
    assert bulk is not None
    assert bulk.get("uri") == "http://x/bulk?a=1&b=2"
    assert native_xml_reader.read(native_xml.write(dataset)) == dataset


def test_characters_that_xml_has_not() -> None:
    written = native_xml.write({"00204000": {"vr": "LT", "Value": ["a\r\nb\x0c\x1bc"]}})
    (value,) = native_xml_reader.read(written)["00204000"]["Value"]
    assert value == "a\r\nb\ufffd\ufffdc"


def test_as_dcm4che_writes_it() -> None:
    """Without a namespace, blocks left out of tags, creators as XML attributes only."""
    document = b"""<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xml:space="preserve">
        <DicomAttribute keyword="PatientName" tag="00100010" vr="PN"><PersonName number="1">
            <Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName></Alphabetic>
        </PersonName></DicomAttribute>
        <DicomAttribute tag="00090001" privateCreator="X" vr="LO"><Value number="1">1</Value>
        </DicomAttribute>
        <DicomAttribute tag="00090002" privateCreator="Y" vr="LO"><Value number="2">2</Value>
        </DicomAttribute>
        <DicomAttribute tag="00090003" privateCreator="X" vr="US"><Value number="1">3</Value>
        </DicomAttribute></NativeDicomModel>"""
    assert native_xml_reader.read(document) == {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]},
        "00090010": {"vr": "LO", "Value": ["X"]},
        "00091001": {"vr": "LO", "Value": ["1"]},
        "00090011": {"vr": "LO", "Value": ["Y"]},
        "00091102": {"vr": "LO", "Value": [None, "2"]},
        "00091003": {"vr": "US", "Value": [3]},
    }


def _model(content: str, head: str = "") -> bytes:
    return f"{head}<NativeDicomModel>{content}</NativeDicomModel>".encode()


_SQ = '<DicomAttribute tag="00081199" vr="SQ"><Item number="1">'
_LO = '<DicomAttribute tag="0010{:04d}" vr="LO">{}</DicomAttribute>'
_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "well-formed"),
        (b"not xml", "well-formed"),
        (_model('<DicomAttribute tag="00100020" vr="LO">'), "well-formed"),
        (_model(_LO.format(20, "<Value>&b;</Value>"), _LAUGHS), "document type"),
        (_model("", '<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "document type"),
        (_model(_LO.format(20, "<Value>&b;</Value>")), "well-formed"),
        (_model(_SQ * 65 + "</Item></DicomAttribute>" * 65), "64 sequences"),
        (b"<html/>", "not expected"),
        (_model("<Item/>"), "not expected"),
        (_model('<x:Item xmlns:x="urn:y"/>'), "namespace"),
        (_model('<DicomAttribute tag="PatientID" vr="LO"/>'), "hexadecimal"),
        (_model('<DicomAttribute tag="00100020"/>'), "no vr"),
        (_model(_LO.format(20, "") * 2), "twice"),
        (_model(_LO.format(20, '<Value number="4000000000"/>')), "number"),
        (_model(_LO.format(20, '<Value number="999999999"/>')), "ascend"),
        (_model(_LO.format(20, '<Value number="1"/><Value number="1"/>')), "ascend"),
        (_model(_LO.format(20, "<BulkData/>")), "neither uri"),
        (_model(_LO.format(20, "<Item/>")), "outside of a sequence"),
    ],
)
def test_what_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        native_xml_reader.read(document)
