import os
from pathlib import Path

import pytest

from longshore._native import read_cached
from longshore.blobs.cached_reads import CACHED_READ_BYTES_MAX, CachedReads
from longshore.blobs.local import LocalBlobStore
from longshore.errors import BlobNotFound, Unavailable
from longshore.extent import Extent

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(CACHED_READ_BYTES_MAX + 10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)  # and so in the page cache
    return path


def test_reads_what_is_in_memory(file: Path) -> None:
    reads = CachedReads()
    assert reads.read(str(file), 1000, 7) == CONTENT[7:1007]
    assert reads.read(str(file), CACHED_READ_BYTES_MAX, 10) == CONTENT[10:]
    assert reads.read(str(file), 3, 1, b"head", b"tail") == b"head" + CONTENT[1:4] + b"tail"
    assert reads.read(str(file), 0, 1, b"head", b"tail") == b"headtail"


def test_leaves_to_a_thread_what_it_cannot_read(file: Path) -> None:
    reads = CachedReads()
    assert reads.read(str(file), CACHED_READ_BYTES_MAX + 1, 0) is None
    assert reads.read(str(file), 20, len(CONTENT) - 10) is None  # it ends early
    assert reads.read(str(file.with_name("none")), 1, 0) is None
    assert reads.read(str(file), 1, 0) == CONTENT[:1]  # none of which is its last word


def test_gives_up_where_the_file_system_cannot_tell(file: Path) -> None:
    reads = CachedReads()
    with pytest.raises(OSError, match="not supported"):
        read_cached("/proc/self/status", 0, 10, b"", b"")
    assert reads.read("/proc/self/status", 10, 0) is None
    assert reads.read(str(file), 10, 0) is None  # nothing is tried any more


async def test_a_store_reads_the_same_either_way(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    await store.put("packs/00/a.zip", [CONTENT])
    for length in (10, CACHED_READ_BYTES_MAX, CACHED_READ_BYTES_MAX + 1):
        assert await store.read(Extent("packs/00/a.zip", 9, length)) == CONTENT[9 : 9 + length]
    # What lies in no memory is read from the disk.
    descriptor = os.open(tmp_path / "packs/00/a.zip", os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    assert await store.read(Extent("packs/00/a.zip", 9, 5000)) == CONTENT[9:5009]
    with pytest.raises(Unavailable, match="ends 5 bytes early"):
        await store.read(Extent("packs/00/a.zip", len(CONTENT) - 5, 10))
    with pytest.raises(BlobNotFound):
        await store.read(Extent("packs/00/b.zip", 0, 10))
    await store.close()
