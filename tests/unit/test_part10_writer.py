"""Files made of the DICOM JSON Model, read again by pydicom."""

import base64
import io
import json
import warnings
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from longshore._native import Instance, Refusal, StoreReader
from longshore.services.part10_writer import VRS, Bulkdata, UnwritableError, write
from tests.support.corpus import corpus_files
from tests.support.dicom_json import BULK, DataSet, pydicom_model
from tests.support.elements import REQUIRED

LIMIT = 64 * 1024**2
IDENTIFIED: dict[str, Any] = {
    "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
    "00080018": {"vr": "UI", "Value": ["1.2.3.4"]},
}
LEFT_OUT = ("00080005", "00083002")
JPEG = "1.2.840.10008.1.2.4.50"


def file(dataset: DataSet, bulkdata: dict[str, Bulkdata] | None = None) -> bytes:
    return b"".join(write(dataset, bulkdata or {}, bytes_max=LIMIT))


def read(content: bytes) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(content))


def plain(value: Any, vr: str = "") -> Any:
    """Without what a file does not keep: empty values, padding, how a number is written."""
    if isinstance(value, list):
        return [plain(each, vr) for each in value] or None
    if isinstance(value, dict):
        vr = str(value.get("vr", vr))
        found = {
            key: each if key == "vr" else plain(each, vr)
            for key, each in value.items()
            if key not in LEFT_OUT and not (len(key) == 8 and key.endswith("0000"))
        }
        kept = {key: each for key, each in found.items() if each not in (None, [None])}
        return kept or None
    if isinstance(value, int | float):
        return float(f"{value:.9g}")
    if isinstance(value, str) and vr in BULK:
        return base64.b64decode(value).rstrip(b"\0").hex() or None
    if isinstance(value, str):
        return value.rstrip(" \0^") or None
    return value


def test_files_of_the_corpus_come_back_from_their_metadata() -> None:
    compared = 0
    for each in corpus_files():
        try:
            model: dict[str, Any] = dict(pydicom_model(each.read()))
        except Exception:  # noqa: S112  # what pydicom cannot read is no matter here
            continue
        again = dict(pydicom_model(file(model)))
        assert _comparable(again) == _comparable(model), each.name
        compared += 1
    assert compared > 300


def _comparable(model: Any) -> Any:
    text = json.dumps(plain(model), sort_keys=True)
    return json.loads(text)


def test_texts_are_utf_8_and_say_so() -> None:
    dataset = IDENTIFIED | {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^J", "Ideographic": "山田"}]},
    }
    found = read(file(dataset))
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "Müller^J=山田"


@pytest.mark.parametrize(
    ("vr", "values", "expected"),
    [
        ("DS", [1.5, "2.50", None, 0.12345678901234567], "1.5\\2.50\\\\0.12345678901235"),
        ("IS", [1, "-2"], "1\\-2"),
        ("LO", ["a", None, "b"], "a\\\\b"),
        ("UT", ["one\\value"], "one\\value"),
    ],
)
def test_texts(vr: str, values: list[Any], expected: str) -> None:
    assert expected.encode() in file(IDENTIFIED | {"00189999": {"vr": vr, "Value": values}})


def test_bulkdata_of_any_vr() -> None:
    dataset = IDENTIFIED | {
        "00204000": {"vr": "LT", "BulkDataURI": "a"},
        "00289999": {"vr": "US", "BulkDataURI": "b"},
        "00420011": {"vr": "OB", "BulkDataURI": "a"},
    }
    found = read(file(dataset, {"a": Bulkdata([b"odd"], None), "b": Bulkdata([b"\1\0\2\0"], None)}))
    assert found.ImageComments == "odd"
    assert found[0x0028_9999].value == [1, 2]
    assert found.EncapsulatedDocument == b"odd\0"


def test_frames_are_encapsulated_in_their_order() -> None:
    frames = [b"\xff\xd8odd", b"\xff\xd8even"]
    dataset = IDENTIFIED | {"7FE00010": {"vr": "OW", "BulkDataURI": "a"}}
    found = read(file(dataset, {"a": Bulkdata(frames, JPEG)}))
    assert found.file_meta.TransferSyntaxUID == JPEG
    assert found["PixelData"].VR == "OB"
    assert list(generate_frames(found.PixelData, number_of_frames=2)) == [
        frames[0] + b"\0",
        frames[1],
    ]


def test_what_is_too_long_for_its_header_goes_as_un() -> None:
    content = file(IDENTIFIED | {"00189999": {"vr": "LO", "Value": ["x" * 70_000]}})
    assert b"\x18\x00\x99\x99UN\0\0" in content


def test_every_binary_vr_may_be_inline_or_empty() -> None:
    for vr in BULK:
        dataset = IDENTIFIED | {
            "00189998": {"vr": vr, "InlineBinary": "AAECAw=="},
            "00189999": {"vr": vr},
        }
        assert b"\0\1\2\3" in file(dataset)


_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.just({"Alphabetic": "A"})
)
_elements = st.fixed_dictionaries(
    {"vr": st.sampled_from(sorted(VRS - {"SQ"}))},
    optional={"Value": st.lists(_values, max_size=3), "InlineBinary": st.text("AQ=!", max_size=8)},
)
_tags = st.integers(0x0021_0010, 0x7FDF_FFFF).map(lambda tag: f"{tag:08X}")
_items = st.recursive(
    st.dictionaries(_tags, _elements, max_size=3),
    lambda inner: st.dictionaries(
        _tags,
        st.lists(inner, max_size=2).map(lambda items: {"vr": "SQ", "Value": items}) | _elements,
        max_size=3,
    ),
    max_leaves=6,
)


@given(_items)
def test_whatever_is_written_can_be_read(some: dict[str, Any]) -> None:
    """By what reads every Store: an instance, whatever its values are worth."""
    required = {
        f"{tag:08X}": {"vr": vr, "Value": [value.decode()]} for tag, (vr, value) in REQUIRED.items()
    }
    try:
        content = file(required | some)
    except UnwritableError:
        return
    reader = StoreReader(
        boundary=None,
        root_type=None,
        study_uid=None,
        is_strict=False,
        part_bytes_max=LIMIT,
        part_count_max=1,
        part_header_bytes_max=LIMIT,
        inline_bytes_max=LIMIT,
        inflated_bytes_max=LIMIT,
    )
    (found,) = [*reader.feed(content, part_bytes_max_in_memory=LIMIT), *reader.finish()]
    assert isinstance(found, Instance), found.detail if isinstance(found, Refusal) else found


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ({"vr": "US", "Value": [70_000]}, "none of VR US"),
        ({"vr": "US", "Value": [None]}, "none of VR US"),
        ({"vr": "FD", "Value": ["x"]}, "none of VR FD"),
        ({"vr": "PN", "Value": ["A^B"]}, "none of VR PN"),
        ({"vr": "AT", "Value": ["PatientID"]}, "none of VR AT"),
        ({"vr": "OB", "InlineBinary": "!"}, "none of VR OB"),
        ({"vr": "OB", "InlineBinary": 5}, "none of VR OB"),
        ({"vr": "OB", "Value": [1]}, "none of VR OB"),
        ({"vr": "DS", "Value": [float("inf"), 1e400]}, ""),
        ({"vr": "OB", "BulkDataURI": "b"}, "No part of the request"),
        ({"vr": "OB", "BulkDataURI": "twice"}, "Several parts"),
        ({"vr": "LO", "Value": ["\ud800"]}, "none of VR LO"),
        ({"vr": "UT", "BulkDataURI": "long"}, "more than 1000 bytes"),
        ({"vr": "SQ", "Value": [{"00189999": {"vr": "OB", "BulkDataURI": "b"}}]}, "No part"),
    ],
)
def test_what_cannot_be_written(element: dict[str, Any], reason: str) -> None:
    bulkdata = {"twice": Bulkdata([b"1", b"2"], None), "long": Bulkdata([b"1" * 1000], None)}
    dataset = IDENTIFIED | {"00189999": element}
    if not reason:
        assert write(dataset, bulkdata, bytes_max=1000), "judged when it is stored"
        return
    with pytest.raises(UnwritableError, match=reason) as caught:
        write(dataset, bulkdata, bytes_max=1000)
    assert str(caught.value).startswith("DICOM100: (0018,9999) - ")
