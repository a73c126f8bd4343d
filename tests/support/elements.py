"""Part 10 files element by element, for values that no library would write."""

import struct
from collections.abc import Mapping

from pydicom.uid import ExplicitVRLittleEndian

LONG_VRS = (b"OB", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")
SEQUENCE = 0x0008_1110
"""ReferencedStudySequence: where nested elements go."""

REQUIRED: Mapping[int, tuple[str, bytes]] = {
    0x0008_0016: ("UI", b"1.2.840.10008.5.1.4.1.1.7"),
    0x0008_0018: ("UI", b"1.2.3.4"),
    0x0010_0020: ("LO", b"P1"),
    0x0020_000D: ("UI", b"1.2"),
    0x0020_000E: ("UI", b"1.2.3"),
}


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Returns an element in Explicit VR Little Endian, padded to an even length."""
    code = vr.encode()
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + code
    if code in LONG_VRS:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def nested(tag: int, vr: str, value: bytes) -> bytes:
    """Returns `SEQUENCE` with one item that holds one element."""
    content = element(tag, vr, value)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
    return element(SEQUENCE, "SQ", item)


def file(elements: Mapping[int, bytes | None]) -> bytes:
    """Returns a file of the required elements and these; None leaves one out."""
    encoded: dict[int, bytes | None] = {
        tag: element(tag, vr, value) for tag, (vr, value) in REQUIRED.items()
    }
    encoded |= elements
    syntax = element(0x0002_0010, "UI", ExplicitVRLittleEndian.encode())
    dataset = b"".join(encoded[tag] or b"" for tag in sorted(encoded))
    return b"\0" * 128 + b"DICM" + syntax + dataset
