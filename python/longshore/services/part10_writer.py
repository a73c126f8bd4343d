"""A data set of the DICOM JSON Model and its bulkdata become a Part 10 file (PS3.10 7, PS3.18 F.2).

Explicit VR Little Endian throughout, texts in UTF-8. What is written is judged later, by whatever
reads an instance that is stored; here only what cannot be written at all is refused.
"""

import base64
import binascii
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.uid import PYDICOM_IMPLEMENTATION_UID
from pydicom.valuerep import format_number_as_ds

Element = Mapping[str, Any]
DataSet = Mapping[str, Element]

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
PIXEL_DATA = "7FE00010"
_SPECIFIC_CHARACTER_SET = "00080005"
_UTF_8: Element = {"vr": "CS"}  # whose value is known
_AVAILABLE_TRANSFER_SYNTAX_UID = "00083002"
"""What a server says of an instance, not what the instance says."""

NUMBERS: Mapping[str, str] = {
    "FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"
}  # fmt: skip
BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
TEXTS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UC", "UI")
LONG_TEXTS = ("LT", "ST", "UR", "UT")
VRS = frozenset((*NUMBERS, *BINARY, *TEXTS, *LONG_TEXTS, "AT", "SQ"))
_LONG_HEADER = frozenset((*BINARY, "SQ", "SV", "UC", "UR", "UT", "UV"))
_SHORT_BYTES_MAX = 0xFFFE
_LONG_BYTES_MAX = 0xFFFF_FFFE
_UNDEFINED = 0xFFFF_FFFF
_DS_CHARACTERS_MAX = 16
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD


@dataclass(frozen=True, slots=True)
class Bulkdata:
    """What came under one URI.

    Attributes:
        contents: n parts in the order in which they came; several are frames.
        transfer_syntax_uid: Of compressed frames; None for bytes as they are.
    """

    contents: Sequence[bytes]
    transfer_syntax_uid: str | None


class UnwritableError(Exception):
    """A data set that cannot be written; the text names the tag and never holds a value."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"DICOM100: ({tag[:4].lower()},{tag[4:].lower()}) - {reason}")


def write(dataset: DataSet, bulkdata: Mapping[str, Bulkdata], *, bytes_max: int) -> list[bytes]:
    """Returns the file as n pieces one behind the other; bulkdata are not copied.

    Args:
        dataset: Of checked shape; a `BulkDataURI` is a key of `bulkdata`.

    Raises:
        UnwritableError: A value or its bulkdata cannot be written, or the file would have more than
            `bytes_max`.
    """
    writer = _Writer(bulkdata, bytes_max)
    # The file meta information needs the transfer syntax, which the pixel data tell.
    body = list(writer.dataset({_SPECIFIC_CHARACTER_SET: _UTF_8, **dataset}))
    return [_head(dataset, writer.transfer_syntax_uid or EXPLICIT_LITTLE_ENDIAN), *body]


class _Writer:
    def __init__(self, bulkdata: Mapping[str, Bulkdata], bytes_max: int) -> None:
        self._bulkdata = bulkdata
        self._bytes_max = bytes_max
        self._byte_count = 0
        self.transfer_syntax_uid: str | None = None

    def dataset(self, dataset: DataSet) -> Iterator[bytes]:
        """Yields the elements of a data set or an item in the order of their tags."""
        for tag in sorted(dataset):
            is_left_out = tag.startswith("0002") or tag.endswith("0000")
            if is_left_out or tag == _AVAILABLE_TRANSFER_SYNTAX_UID:
                continue
            for piece in self._element(tag, dataset[tag]):
                self._byte_count += len(piece)
                if self._byte_count > self._bytes_max:
                    raise UnwritableError(tag, f"The file has more than {self._bytes_max} bytes.")
                yield piece

    def _element(self, tag: str, element: Element) -> Iterator[bytes]:
        vr = element["vr"]
        if tag == _SPECIFIC_CHARACTER_SET:
            yield from _whole(tag, vr, b"ISO_IR 192")
        elif vr == "SQ":
            yield _header(tag, vr, _UNDEFINED)
            for item in element.get("Value", ()):
                yield _item(_ITEM, _UNDEFINED)
                yield from self.dataset(item or {})
                yield _item(_ITEM_END, 0)
            yield _item(_SEQUENCE_END, 0)
        elif "BulkDataURI" in element:
            yield from self._bulk(tag, vr, element["BulkDataURI"])
        else:
            yield from _whole(tag, vr, _value(tag, vr, element))

    def _bulk(self, tag: str, vr: str, uri: str) -> Iterator[bytes]:
        bulkdata = self._bulkdata.get(uri)
        if bulkdata is None:
            raise UnwritableError(tag, "No part of the request is the bulkdata that it names.")
        if tag != PIXEL_DATA or bulkdata.transfer_syntax_uid is None:
            if len(bulkdata.contents) > 1:
                raise UnwritableError(tag, "Several parts of the request have its location.")
            yield from _whole(tag, vr, bulkdata.contents[0])
            return
        if self.transfer_syntax_uid not in (None, bulkdata.transfer_syntax_uid):
            raise UnwritableError(tag, "Its frames are of several transfer syntaxes.")
        self.transfer_syntax_uid = bulkdata.transfer_syntax_uid
        yield _header(tag, "OB", _UNDEFINED)
        yield from _fragments(tag, bulkdata.contents)


def _fragments(tag: str, frames: Sequence[bytes]) -> Iterator[bytes]:
    """Yields encapsulated frames, a fragment each, behind their Basic Offset Table (PS3.5 A.4)."""
    offsets: list[int] = []
    at = 0
    for frame in frames:
        offsets.append(at)
        at += 8 + len(frame) + len(frame) % 2
    if at > _LONG_BYTES_MAX:
        raise UnwritableError(tag, f"The frames have more than {_LONG_BYTES_MAX} bytes.")
    yield _item(_ITEM, 4 * len(offsets)) + struct.pack(f"<{len(offsets)}I", *offsets)
    for frame in frames:
        yield _item(_ITEM, len(frame) + len(frame) % 2)
        yield frame
        yield b"\0" * (len(frame) % 2)
    yield _item(_SEQUENCE_END, 0)


def _head(dataset: DataSet, transfer_syntax_uid: str) -> bytes:
    """Returns preamble and File Meta Information (PS3.10 7.1)."""

    def uid(tag: str) -> str:
        values = dataset.get(tag, {}).get("Value") or [""]
        return str(values[0] or "")

    elements = b"".join(
        piece
        for tag, vr, value in (
            ("00020001", "OB", b"\0\1"),
            ("00020002", "UI", uid("00080016").encode()),
            ("00020003", "UI", uid("00080018").encode()),
            ("00020010", "UI", transfer_syntax_uid.encode()),
            ("00020012", "UI", PYDICOM_IMPLEMENTATION_UID.encode()),
        )
        for piece in _whole(tag, vr, value)
    )
    length = _header("00020000", "UL", 4) + struct.pack("<I", len(elements))
    return b"\0" * 128 + b"DICM" + length + elements


def _whole(tag: str, vr: str, value: bytes) -> Iterator[bytes]:
    length = len(value) + len(value) % 2
    if length > _LONG_BYTES_MAX:
        raise UnwritableError(tag, f"The value has more than {_LONG_BYTES_MAX} bytes.")
    # What is too long for its header goes as UN (PS3.5 6.2.2).
    is_too_long = vr not in _LONG_HEADER and length > _SHORT_BYTES_MAX
    yield _header(tag, "UN" if is_too_long else vr, length)
    yield value
    if len(value) % 2:
        yield b"\0" if vr in (*BINARY, "UI") else b" "


def _header(tag: str, vr: str, length: int) -> bytes:
    head = struct.pack("<HH2s", int(tag[:4], 16), int(tag[4:], 16), vr.encode())
    return head + struct.pack("<HI" if vr in _LONG_HEADER else "<H", *_lengths(vr, length))


def _lengths(vr: str, length: int) -> tuple[int, ...]:
    return (0, length) if vr in _LONG_HEADER else (length,)


def _item(tag: int, length: int) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def _value(tag: str, vr: str, element: Element) -> bytes:
    try:
        if "InlineBinary" in element:
            return base64.b64decode(element["InlineBinary"], validate=True)
        return _ENCODERS[vr](vr, element.get("Value", ()))
    except (binascii.Error, struct.error, OverflowError, TypeError, ValueError, AttributeError):
        raise UnwritableError(
            tag, f"The value is none of VR {vr} in the DICOM JSON Model."
        ) from None


def _texts(vr: str, values: Sequence[Any]) -> bytes:
    return "\\".join(_text(vr, value) for value in values).encode()


def _text(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if vr == "PN":
        return "=".join(value.get(group, "") for group in _NAME_GROUPS).rstrip("=")
    if isinstance(value, float) and len(repr(value)) > _DS_CHARACTERS_MAX:
        return format_number_as_ds(value)
    return value if isinstance(value, str) else repr(value)


def _numbers(vr: str, values: Sequence[Any]) -> bytes:
    cast = float if vr in ("FD", "FL") else int
    return struct.pack(f"<{len(values)}{NUMBERS[vr]}", *(cast(value) for value in values))


def _tags(_: str, values: Sequence[Any]) -> bytes:
    numbers = [int(value, 16) for value in values]
    return b"".join(struct.pack("<HH", number >> 16, number & 0xFFFF) for number in numbers)


def _no_values(vr: str, values: Sequence[Any]) -> bytes:
    if values:
        raise ValueError(vr)
    return b""


_ENCODERS: Mapping[str, Callable[[str, Sequence[Any]], bytes]] = {
    **dict.fromkeys((*TEXTS, *LONG_TEXTS), _texts),
    **dict.fromkeys(NUMBERS, _numbers),
    **dict.fromkeys(BINARY, _no_values),
    "AT": _tags,
}
