"""Packs as they lie in storage, built without the extension, and a blob store that counts."""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from longshore.blobs.store import BlobReader
from longshore.errors import BlobNotFound
from longshore.extent import Extent
from longshore.index.locate import Located

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
HTJ2K = "1.2.840.10008.1.2.4.202"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
LOCAL_HEADER = b"PK\x03\x04" + b"h" * 200
SEPARATOR = b"\x00\x01\x00\xfe\xff,"


@dataclass
class MemoryBlobs(BlobReader):
    """Enough of a blob store to read from; remembers every request made to it."""

    contents: dict[str, bytes] = field(default_factory=dict)
    requests: list[Extent] = field(default_factory=list)
    open_streams: int = 0
    is_up: bool = True

    @override
    async def read(self, extent: Extent) -> bytes:
        self.requests.append(extent)
        return self._bytes(extent)

    @override
    async def stream(self, extent: Extent, *, chunk_bytes: int) -> AsyncIterator[bytes]:
        self.requests.append(extent)
        self.open_streams += 1
        try:
            whole = self._bytes(extent)
            for start in range(0, len(whole), chunk_bytes):
                yield whole[start : start + chunk_bytes]
        finally:
            self.open_streams -= 1

    async def check(self) -> None:
        if not self.is_up:
            raise OSError

    def _bytes(self, extent: Extent) -> bytes:
        if extent.blob not in self.contents:
            raise BlobNotFound(f"No blob {extent.blob}.")
        return self.contents[extent.blob][extent.offset : extent.end]


@dataclass(frozen=True)
class Stored:
    """One instance to be packed."""

    payload: bytes
    metadata: dict[str, Any]
    study_uid: str = "1.2"
    series_uid: str = "1.2.3"
    sop_instance_uid: str = "1.2.3.4"
    transfer_syntax_uid: str = EXPLICIT

    @property
    def json(self) -> bytes:
        return json.dumps(self.metadata, separators=(",", ":")).encode()


def pack(blobs: MemoryBlobs, name: str, stored: Sequence[Stored], first_key: int) -> list[Located]:
    """Writes a pack: local headers and payloads, then the segments with separators between."""
    content = bytearray()
    payloads: list[Extent] = []
    for each in stored:
        content += LOCAL_HEADER
        payloads.append(Extent(name, len(content), len(each.payload)))
        content += each.payload
    located: list[Located] = []
    for key, (each, payload) in enumerate(zip(stored, payloads, strict=True), first_key):
        segment = deflated(each.json)
        content += SEPARATOR
        located.append(
            Located(
                instance_key=key,
                study_uid=each.study_uid,
                series_uid=each.series_uid,
                sop_instance_uid=each.sop_instance_uid,
                sop_class_uid=CT_IMAGE,
                transfer_syntax_uid=each.transfer_syntax_uid,
                payload=payload,
                segment=Extent(name, len(content), len(segment)),
                segment_plain_length=len(each.json),
                segment_crc32=zlib.crc32(each.json),
                has_bulkdata_uri=b"BulkDataURI" in each.json,
                frame_count=None,
                bits_allocated=None,
            )
        )
        content += segment
    blobs.contents[name] = bytes(content)
    return located


def deflated(plain: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(plain) + deflater.flush(zlib.Z_FULL_FLUSH)
