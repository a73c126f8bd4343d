"""Whether a duplicate is the very file that is stored (the setting `duplicates`)."""

import zlib
from typing import Literal

from longshore.blobs.store import BlobStore
from longshore.dicom import Instance
from longshore.errors import NotFound
from longshore.index.database import Database
from longshore.index.locate import locate

Duplicates = Literal["refuse", "accept-identical", "replace"]
"""What becomes of an instance that is stored already, unless PUT says so."""

READ_BYTES = 256 * 1024
"""Read at a time; its CRC-32 takes a tenth of a millisecond."""


async def is_identical_to_stored(
    database: Database, blobs: BlobStore, partition_key: int, instance: Instance
) -> bool:
    """True if what is stored under the instance's UIDs has its length and its CRC-32.

    The stored bytes are read: what cannot be read again must not be confirmed.

    Raises:
        Unavailable: Index or storage do not answer.
    """
    try:
        [stored] = await locate(
            database,
            partition_key=partition_key,
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_instance_uid=instance.sop_instance_uid,
        )
    except NotFound:
        return False
    if stored.payload.length != instance.length:
        return False
    crc32 = 0
    async for chunk in blobs.stream(stored.payload, chunk_bytes=READ_BYTES):
        crc32 = zlib.crc32(chunk, crc32)
    return crc32 == instance.pack_entry.crc32
