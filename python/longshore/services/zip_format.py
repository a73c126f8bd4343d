"""The records of a ZIP file whose entries are stored, their CRC-32 behind them (APPNOTE 6.3).

Every length is known before: a CRC-32 has four bytes whatever it is. ZIP64 where it is needed only.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_UINT16_MAX = 0xFFFF
_UINT32_MAX = 0xFFFF_FFFF
_VERSION, _VERSION_ZIP64 = 20, 45
_FLAGS = 1 << 3  # CRC-32 and lengths come in a descriptor behind the entry (APPNOTE 4.4.4)
_STORED = 0
_TIME, _DATE = 0, (1 << 5) | 1  # the first moment that the format knows: the same file each time
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END_ZIP64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
_SIZES_ZIP64 = struct.Struct("<2H2Q")
_EXTRA_ZIP64 = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in the making.

    Attributes:
        name: Its path, ASCII.
        length: Bytes.
        offset: Where its local header begins in the ZIP file.
    """

    name: bytes
    length: int
    offset: int

    @property
    def _is_long(self) -> bool:
        return self.length >= _UINT32_MAX

    def header(self) -> bytes:
        """Returns the local header (4.3.7). It has the lengths too, for readers of streams."""
        shown = _UINT32_MAX if self._is_long else self.length
        extra = _SIZES_ZIP64.pack(_EXTRA_ZIP64, 16, *[self.length] * 2) if self._is_long else b""
        version = _VERSION_ZIP64 if self._is_long else _VERSION
        fixed = (b"PK\x03\x04", version, _FLAGS, _STORED, _TIME, _DATE, 0, shown, shown)
        return _LOCAL.pack(*fixed, len(self.name), len(extra)) + self.name + extra

    def descriptor(self, crc32: int) -> bytes:
        """Returns what comes behind the bytes (4.3.9)."""
        form = "<4sI2Q" if self._is_long else "<4s3I"
        return struct.pack(form, b"PK\x07\x08", crc32, self.length, self.length)

    def central(self, crc32: int) -> bytes:
        """Returns the entry of the directory (4.3.12)."""
        values = [self.length, self.length] if self._is_long else []
        is_far = self.offset >= _UINT32_MAX
        values += [self.offset] if is_far else []
        extra = b""
        if values:
            extra = struct.pack(f"<2H{len(values)}Q", _EXTRA_ZIP64, 8 * len(values), *values)
        version = _VERSION_ZIP64 if values else _VERSION
        shown = min(self.length, _UINT32_MAX)
        made = (b"PK\x01\x02", version, version, _FLAGS, _STORED, _TIME, _DATE)
        offset = min(self.offset, _UINT32_MAX)
        tail = (len(self.name), len(extra), 0, 0, 0, 0, offset)
        return _CENTRAL.pack(*made, crc32, shown, shown, *tail) + self.name + extra

    @property
    def end(self) -> int:
        """Where the next entry begins."""
        return self.offset + len(self.header()) + self.length + len(self.descriptor(0))


def placed(files: Sequence[tuple[bytes, int]]) -> list[Entry]:
    """Returns the entries of n files, name and length each, one behind the other."""
    entries: list[Entry] = []
    offset = 0
    for name, length in files:
        entries.append(Entry(name, length, offset))
        offset = entries[-1].end
    return entries


def directory(entries: Sequence[Entry], crc32s: Sequence[int]) -> bytes:
    """Returns all that comes behind the entries; its length does not depend on the CRCs."""
    records = b"".join(each.central(crc32) for each, crc32 in zip(entries, crc32s, strict=True))
    begin, count = entries[-1].end if entries else 0, len(entries)
    zip64 = b""
    if begin >= _UINT32_MAX or count >= _UINT16_MAX or len(records) >= _UINT32_MAX:
        rest = _END_ZIP64.size - 12
        zip64 = _END_ZIP64.pack(
            b"PK\x06\x06",
            rest,
            _VERSION_ZIP64,
            _VERSION_ZIP64,
            0,
            0,
            count,
            count,
            len(records),
            begin,
        )
        zip64 += _LOCATOR.pack(b"PK\x06\x07", 0, begin + len(records), 1)
    shown = min(count, _UINT16_MAX)
    sizes = (min(len(records), _UINT32_MAX), min(begin, _UINT32_MAX))
    return records + zip64 + _END.pack(b"PK\x05\x06", 0, 0, shown, shown, *sizes, 0)
