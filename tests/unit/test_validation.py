"""The rules by which v1 refuses and v2 warns, each under its name (the reference's 3.4 to 3.6).

What becomes of HTTP statuses is in `tests/e2e/test_store.py`.
"""

import zlib
from typing import Any

import orjson
import pytest

from longshore._native import Instance, Refusal, StoreReader
from tests.support.elements import SEQUENCE, element, file, nested

LIMIT = 1024**2
INVALID = 43264

SOP_CLASS_UID = 0x0008_0016
SOP_INSTANCE_UID = 0x0008_0018
PATIENT_ID = 0x0010_0020
STUDY_UID = 0x0020_000D
SERIES_UID = 0x0020_000E
REQUIRED_UIDS = (SOP_CLASS_UID, STUDY_UID, SERIES_UID, SOP_INSTANCE_UID)


def read(content: bytes, *, version: int, study_uid: str | None = None) -> Instance | Refusal:
    reader = StoreReader(
        boundary=None,
        root_type=None,
        study_uid=study_uid,
        is_strict=version == 1,
        part_bytes_max=LIMIT,
        part_count_max=1,
        part_header_bytes_max=LIMIT,
        inline_bytes_max=LIMIT,
        inflated_bytes_max=LIMIT,
    )
    events = [*reader.feed(content, part_bytes_max_in_memory=LIMIT), *reader.finish()]
    (found,) = events
    assert isinstance(found, Instance | Refusal)
    return found


def stored(content: bytes, *, version: int = 2) -> Instance:
    found = read(content, version=version)
    assert isinstance(found, Instance), found
    return found


def refused(content: bytes, *, version: int, study_uid: str | None = None) -> Refusal:
    found = read(content, version=version, study_uid=study_uid)
    assert isinstance(found, Refusal), found
    return found


def metadata(instance: Instance) -> dict[str, Any]:
    inflater = zlib.decompressobj(-15)
    return orjson.loads(inflater.decompress(instance.pack_entry.segment))


def named(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def missing(tag: int) -> str:
    return f"DICOM100: {named(tag)} - The required tag '{named(tag)}' is missing."


TAGS = {
    "AE": 0x0008_0055, "AS": 0x0010_1010, "CS": 0x0008_0008, "DA": 0x0008_0022,
    "DS": 0x0018_0050, "DT": 0x0008_002A, "IS": 0x0018_1150, "LO": 0x0008_0070,
    "LT": 0x0010_4000, "PN": 0x0008_1050, "SH": 0x0008_0094, "ST": 0x0008_0081,
    "TM": 0x0008_0032, "UC": 0x0018_9908, "UI": 0x0020_0052, "UR": 0x0008_1190,
    "UT": 0x0040_A160,
}  # fmt: skip
"""An attribute of each VR that no index holds."""

V2_WARNS = [
    ("AE_value_exceeds_16", "AE", "A" * 17, "value exceeds maximum length of 16 characters"),
    ("AE_only_spaces", "AE", "A\\  \\B", "value may not consist only of spaces"),
    ("AE_control_character", "AE", "A\tB", "value contains invalid control character"),
    ("AS_pattern", "AS", "12Y", "value does not have pattern 000[DWMY]"),
    ("AS_unit", "AS", "012H", "value does not have pattern 000[DWMY]"),
    ("CS_value_exceeds_16", "CS", "A" * 17, "value exceeds maximum length of 16 characters"),
    ("CS_lower_case", "CS", "Axial", "value contains invalid character"),
    ("CS_second_value", "CS", "A\\b", "value contains invalid character"),
    ("DA_pattern", "DA", "2026.1.2", "one of the date values does not match the pattern YYYYMMDD"),
    ("DA_month_component_exceeds_12", "DA", "20261301", "month component exceeds the value 12"),
    ("DA_day_component_exceeds_31", "DA", "20260132", "day component exceeds the value 31"),
    ("DA_range_separators", "DA", "20260101-20260102-", "value contains too many range separators"),
    ("DS_value_exceeds_16", "DS", "1.234567890123456", "value exceeds maximum length of 16"),
    ("DS_no_decimal", "DS", "1,5", "value is no decimal string"),
    ("DS_leading_zero", "DS", "01.5", "value is no decimal string"),
    ("DT_pattern", "DT", "2026010", "value does not match pattern YYYY[MM[DD[HH[MM[SS"),
    ("DT_month_exceeds_12", "DT", "20261301", "month component exceeds 12"),
    ("DT_month_0", "DT", "20260001", "month component cannot be 0"),
    ("DT_day_exceeds_31", "DT", "20260132", "day component exceeds 31"),
    ("DT_day_0", "DT", "20260100", "day component cannot be 0"),
    ("DT_hour_exceeds_23", "DT", "2026010124", "hour component exceeds 23"),
    ("DT_minute_exceeds_59", "DT", "202601010060", "minute component exceeds 59"),
    ("DT_second_exceeds_60", "DT", "20260101000061", "second component exceeds 60"),
    ("DT_offset_minus_0000", "DT", "2026010112-0000", "offset from UTC is not between"),
    ("DT_offset_beyond_1400", "DT", "20260101+1500", "offset from UTC is not between"),
    ("DT_offset_below_minus_1200", "DT", "2026010112-1300", "offset from UTC is not between"),
    ("IS_no_integer", "IS", "1.5", "value is not an integer string"),
    ("IS_too_large", "IS", "2147483648", "value too large to fit 32 bit integer"),
    ("IS_too_small", "IS", "-2147483649", "value too large to fit 32 bit integer"),
    ("LO_value_exceeds_64", "LO", "A" * 65, "value exceeds maximum length of 64 characters"),
    ("LO_control_character", "LO", "A\nB", "value contains invalid character"),
    ("LT_value_exceeds_10240", "LT", "A" * 10_241, "value exceeds maximum length of 10240"),
    ("ST_value_exceeds_1024", "ST", "A" * 1_025, "value exceeds maximum length of 1024 characters"),
    ("PN_groups", "PN", "A=B=C=D", "value contains too many groups"),
    ("PN_group_exceeds_64", "PN", "A" * 65, "value exceeds maximum length of 64 characters"),
    ("PN_control_character", "PN", "A\x07", "value contains invalid control character"),
    ("PN_components", "PN", "A^B^C^D^E^F", "value contains too many components"),
    ("SH_value_exceeds_16", "SH", "A" * 17, "value exceeds maximum length of 16 characters"),
    ("SH_control_character", "SH", "A\rB", "value contains invalid character"),
    ("TM_pattern", "TM", "1:00", "value does not match pattern HH or HHMM or HHMMSS"),
    ("TM_fraction_of_7", "TM", "101010.1234567", "value does not match pattern HH or HHMM"),
    ("TM_range_separators", "TM", "10-11-12", "value does not match pattern HH or HHMM or HHMMSS"),
    ("TM_hour_exceeds_23", "TM", "24", "hour component exceeds 23"),
    ("TM_minute_exceeds_59", "TM", "1060", "minute component exceeds 59"),
    ("TM_second_exceeds_60", "TM", "101061", "second component exceeds 60"),
    ("UI_value_exceeds_64", "UI", "1." * 32 + "1", "value exceeds maximum length of 64 characters"),
    ("UI_characters", "UI", "1.2.a", "value contains invalid characters other than '0'-'9' and"),
    ("UI_leading_zero", "UI", "1.02", "components must not have leading zeros"),
    ("UI_empty_component", "UI", "1..2", "a component can not be empty"),
]

V2_ACCEPTS = [
    ("AE_16", "AE", "A" * 16),
    ("AS_empty", "AS", ""),
    ("CS_several", "CS", "ORIGINAL\\PRIMARY\\AX_1"),
    ("CS_padded_with_NUL", "CS", "AXIAL\0"),
    ("DA_day_0", "DA", "20260100"),
    ("DA_day_31_of_February", "DA", "20260231"),
    ("DA_range", "DA", "20260101-20260102"),
    ("DA_open_range", "DA", "-20260102"),
    ("DS_spaces_around", "DS", " 1.5 "),
    ("DS_exponent", "DS", "-1.5E+3\\.5\\5."),
    ("DT_range", "DT", "2026-2027"),
    ("DT_offset", "DT", "20260101120000.123456+1400"),
    ("DT_second_60", "DT", "20260101235960"),
    ("IS_sign", "IS", "+12\\-2147483648"),
    ("LO_64", "LO", "A" * 64),
    ("LO_ESC", "LO", "A\x1bB"),
    ("LT_control_characters", "LT", "a\r\n\tb\x0c"),
    ("PN_three_groups_of_five", "PN", "A^B^C^D^E=F=G"),
    ("SH_16", "SH", "A" * 16),
    ("TM_range", "TM", "10-1130"),
    ("TM_fraction", "TM", "235960.123456"),
    ("UC_anything", "UC", "a\x07" * 100),
    ("UR_anything", "UR", "not\x07 a uri"),
    ("UT_anything", "UT", "a\x07" * 20_000),
]


@pytest.mark.parametrize(
    ("vr", "value", "reason"),
    [case[1:] for case in V2_WARNS],
    ids=[f"v2_{case[0]}" for case in V2_WARNS],
)
@pytest.mark.parametrize("where", ["top", "nested"])
def test_v2_leaves_out_and_warns(where: str, vr: str, value: str, reason: str) -> None:
    tag = TAGS[vr]
    if where == "top":
        elements: dict[int, bytes | None] = {tag: element(tag, vr, value.encode())}
    else:
        elements = {SEQUENCE: nested(tag, vr, value.encode())}
    instance = stored(file(elements))
    (comment,) = instance.warnings
    start = f"DICOM100: {named(tag)} - Content does not validate VR {vr}: {reason}"
    assert comment.startswith(start)
    assert value not in comment
    dataset = metadata(instance)
    if where == "top":
        assert f"{tag:08X}" not in dataset
    else:
        assert dataset[f"{SEQUENCE:08X}"]["Value"] == [{}]
    assert stored(file(elements), version=1).warnings == [], "v1 looks at indexed attributes only"


@pytest.mark.parametrize(
    ("vr", "value"),
    [case[1:] for case in V2_ACCEPTS],
    ids=[f"v2_{case[0]}" for case in V2_ACCEPTS],
)
def test_v2_accepts(vr: str, value: str) -> None:
    tag = TAGS[vr]
    for elements in (
        {tag: element(tag, vr, value.encode())},
        {SEQUENCE: nested(tag, vr, value.encode())},
    ):
        instance = stored(file(elements))
        assert instance.warnings == []
    assert f"{tag:08X}" in metadata(stored(file({tag: element(tag, vr, value.encode())})))


DATE, DESCRIPTION, NAME, ACCESSION, MODALITY = (
    0x0008_0020, 0x0008_1030, 0x0010_0010, 0x0008_0050, 0x0008_0060
)  # fmt: skip
UID_TEXT = "DICOM Identifier is invalid."

V1_REFUSES = [
    ("CS_length", MODALITY, "CS", "A" * 17, "Value length exceeds maximum length of 16."),
    ("SH_length", ACCESSION, "SH", "A" * 17, "Value length exceeds maximum length of 16."),
    ("DA_no_date", DATE, "DA", "NotADate", "Value cannot be parsed as a valid date."),
    ("DA_day_0", DATE, "DA", "20260100", "Value cannot be parsed as a valid date."),
    ("DA_31st_of_February", DATE, "DA", "20260231", "Value cannot be parsed as a valid date."),
    ("DA_range", DATE, "DA", "20260101-20260102", "Value cannot be parsed as a valid date."),
    ("LO_length", DESCRIPTION, "LO", "A" * 65, "Value length exceeds maximum length of 64."),
    ("LO_character", DESCRIPTION, "LO", "A\tB", "Value contains invalid character."),
    ("LO_NUL", PATIENT_ID, "LO", "P1\0", "Value contains invalid character."),
    ("PN_groups", NAME, "PN", "A=B=C=D", "Value contains more than 3 groups."),
    ("PN_group_length", NAME, "PN", "A" * 65, "One or more group of person name exceeds"),
    ("PN_components", NAME, "PN", "A^B^C^D^E^F", "Value contains more than 5 components."),
    ("PN_character", NAME, "PN", "A\x07", "Value contains invalid character."),
    ("UI_characters", SERIES_UID, "UI", "1.2.x", UID_TEXT),
    ("UI_length", SERIES_UID, "UI", "1." * 32 + "1", UID_TEXT),
]


@pytest.mark.parametrize(
    ("tag", "vr", "value", "reason"),
    [case[1:] for case in V1_REFUSES],
    ids=[f"v1_{case[0]}" for case in V1_REFUSES],
)
def test_v1_refuses(tag: int, vr: str, value: str, reason: str) -> None:
    refusal = refused(file({tag: element(tag, vr, value.encode())}), version=1)
    assert refusal.failure_reason == INVALID
    (comment,) = refusal.comments
    assert comment.startswith(f"DICOM100: {named(tag)} - Dicom element '")
    assert f"failed validation for VR '{vr}': {reason}" in comment
    assert value not in comment


def test_v1_names_every_attribute_that_fails() -> None:
    elements = {
        DATE: element(DATE, "DA", b"NotADate"),
        NAME: element(NAME, "PN", b"A=B=C=D"),
        MODALITY: element(MODALITY, "CS", b"CT"),
    }
    refusal = refused(file(elements), version=1)
    assert [comment[10:21] for comment in refusal.comments] == [named(DATE), named(NAME)]


def test_v1_accepts_empty_values_and_looks_at_the_first_only() -> None:
    elements = {
        DATE: element(DATE, "DA", b""),
        ACCESSION: element(ACCESSION, "SH", b"A\\" + b"B" * 17),
        MODALITY: element(MODALITY, "CS", b"lower"),
    }
    instance = stored(file(elements), version=1)
    assert instance.is_multivalued
    assert instance.warnings == []


def test_v2_says_several_values_of_the_core_attributes_only() -> None:
    several = element(ACCESSION, "SH", b"A\\B")
    assert not stored(file({ACCESSION: several})).is_multivalued
    assert stored(file({PATIENT_ID: element(PATIENT_ID, "LO", b"A\\B")})).is_multivalued


def test_v2_warns_once_a_tag() -> None:
    tag = TAGS["DA"]
    elements = {
        tag: element(tag, "DA", b"x"),
        SEQUENCE: nested(tag, "DA", b"20261301"),
    }
    (comment,) = stored(file(elements)).warnings
    assert "YYYYMMDD" in comment, "the first wins"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tag", REQUIRED_UIDS, ids=hex)
@pytest.mark.parametrize("value", [None, b"", b"\0\0", b"1.2\\1.3"])
def test_required_uid_absent_empty_or_several(version: int, tag: int, value: bytes | None) -> None:
    encoded = None if value is None else element(tag, "UI", value)
    refusal = refused(file({tag: encoded}), version=version)
    assert (refusal.failure_reason, refusal.comments) == (INVALID, [missing(tag)])


@pytest.mark.parametrize("version", [1, 2])
def test_required_attributes_first_failure_wins(version: int) -> None:
    order = [*REQUIRED_UIDS, PATIENT_ID]
    for at, tag in enumerate(order):
        refusal = refused(file(dict.fromkeys(order[at:])), version=version)
        assert refusal.comments == [missing(tag)]


@pytest.mark.parametrize("version", [1, 2])
def test_required_attribute_of_another_vr(version: int) -> None:
    for tag in (STUDY_UID, PATIENT_ID):
        refusal = refused(file({tag: element(tag, "SH", b"1.2")}), version=version)
        assert refusal.failure_reason == INVALID
        (comment,) = refusal.comments
        assert comment.startswith(f"DICOM100: {named(tag)} - The tag is expected to have VR")


def test_v1_indexed_attribute_of_another_vr() -> None:
    content = file({DATE: element(DATE, "LO", b"20260102")})
    assert refused(content, version=1).failure_reason == INVALID
    assert stored(content).warnings == []


@pytest.mark.parametrize("version", [1, 2])
def test_study_of_the_path(version: int) -> None:
    refusal = refused(file({}), version=version, study_uid="1.3")
    assert refusal.failure_reason == INVALID
    assert refusal.comments[0].startswith("DICOM100: (0020,000d) - ")
    assert isinstance(read(file({}), version=version, study_uid="1.2"), Instance)
    padded = file({STUDY_UID: element(STUDY_UID, "UI", b"1.2   ")})
    assert isinstance(read(padded, version=version, study_uid="1.2"), Instance)


def test_v1_patient_id_must_be_one_value() -> None:
    for value in (None, b"", b"A\\B"):
        encoded = None if value is None else element(PATIENT_ID, "LO", value)
        refusal = refused(file({PATIENT_ID: encoded}), version=1)
        assert refusal.comments == [missing(PATIENT_ID)]


def test_v2_patient_id_may_be_empty_but_not_absent() -> None:
    for value in (b"", b"   ", b"\0\0"):
        instance = stored(file({PATIENT_ID: element(PATIENT_ID, "LO", value)}))
        assert instance.warnings == [missing(PATIENT_ID)]
    assert refused(file({PATIENT_ID: None}), version=2).comments == [missing(PATIENT_ID)]


@pytest.mark.parametrize("value", [b"A\x07", b"A" * 65])
def test_v2_patient_id_must_be_valid(value: bytes) -> None:
    refusal = refused(file({PATIENT_ID: element(PATIENT_ID, "LO", value)}), version=2)
    assert refusal.failure_reason == INVALID
    assert refusal.comments[0].startswith("DICOM100: (0010,0020) - ")


@pytest.mark.parametrize("tag", REQUIRED_UIDS, ids=hex)
def test_v2_required_uid_with_a_leading_zero_is_stored_with_a_warning(tag: int) -> None:
    instance = stored(file({tag: element(tag, "UI", b"1.02.3")}))
    (comment,) = instance.warnings
    assert comment.startswith(f"DICOM100: {named(tag)} - Content does not validate VR UI")
    assert metadata(instance)[f"{tag:08X}"]["Value"] == ["1.02.3"]
    assert stored(file({tag: element(tag, "UI", b"1.02.3")}), version=1).warnings == []


@pytest.mark.parametrize("tag", REQUIRED_UIDS, ids=hex)
def test_v2_required_uid_that_is_none(tag: int) -> None:
    refusal = refused(file({tag: element(tag, "UI", b"1.2.x")}), version=2)
    assert refusal.failure_reason == INVALID
    assert UID_TEXT in refusal.comments[0]
