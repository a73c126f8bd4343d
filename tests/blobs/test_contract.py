"""What every backend does: one suite, run on local files and on Azurite."""

import asyncio
import resource
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from longshore.blobs.store import BlobStore
from longshore.errors import BlobNotFound, Conflict, Unavailable
from longshore.extent import Extent

pytestmark = pytest.mark.anyio

CONTENT = secrets.token_bytes(100_000)
NAME = "packs/ab/0123.zip"


async def streamed(blobs: BlobStore, extent: Extent, chunk_bytes: int) -> list[bytes]:
    return [chunk async for chunk in blobs.stream(extent, chunk_bytes=chunk_bytes)]


async def names(blobs: BlobStore, prefix: str = "") -> set[str]:
    return {facts.name async for facts in blobs.list(prefix)}


async def test_what_was_put_is_read(blobs: BlobStore) -> None:
    await blobs.put(NAME, [CONTENT])
    assert await blobs.read(Extent(NAME, 0, len(CONTENT))) == CONTENT
    assert await blobs.read(Extent(NAME, 17, 1000)) == CONTENT[17:1017]
    assert await blobs.read(Extent(NAME, len(CONTENT) - 1, 1)) == CONTENT[-1:]
    assert await blobs.read(Extent(NAME, 5, 0)) == b""


async def test_buffers_of_all_kinds_are_joined_in_order(blobs: BlobStore) -> None:
    view = memoryview(CONTENT)
    pieces = [view[at : at + 20] for at in range(0, len(CONTENT), 20)]
    assert len(pieces) == 5_000
    await blobs.put(NAME, [b"", bytearray(b"head"), *pieces, b""])
    expected = b"head" + CONTENT
    assert await blobs.read(Extent(NAME, 0, len(expected))) == expected


async def test_an_empty_blob(blobs: BlobStore) -> None:
    await blobs.put(NAME, [])
    assert await blobs.read(Extent(NAME, 0, 0)) == b""
    assert await names(blobs) == {NAME}


@pytest.mark.parametrize("chunk_bytes", [1000, 4096, 100_000, 10**9])
async def test_streams_in_chunks(blobs: BlobStore, chunk_bytes: int) -> None:
    await blobs.put(NAME, [CONTENT])
    chunks = await streamed(blobs, Extent(NAME, 10, 90_000), chunk_bytes)
    assert b"".join(chunks) == CONTENT[10:90_010]
    assert max(map(len, chunks)) <= chunk_bytes
    assert await streamed(blobs, Extent(NAME, 10, 0), chunk_bytes) == []


async def test_a_stream_may_be_left(blobs: BlobStore) -> None:
    await blobs.put(NAME, [CONTENT])
    stream = blobs.stream(Extent(NAME, 0, len(CONTENT)), chunk_bytes=1000)
    assert await anext(stream) == CONTENT[:1000]
    await stream.aclose()  # type: ignore[attr-defined]
    await blobs.delete(NAME)


async def test_a_taken_name_is_a_conflict(blobs: BlobStore) -> None:
    await blobs.put(NAME, [b"first"])
    with pytest.raises(Conflict):
        await blobs.put(NAME, [b"second"])
    writer = await blobs.open_writer(NAME, head_length=0)
    await writer.write([b"third"])
    with pytest.raises(Conflict):
        await writer.commit(head=b"", tail=[])
    await writer.abort()
    assert await blobs.read(Extent(NAME, 0, 5)) == b"first"


async def test_puts_at_the_same_time_have_one_winner(blobs: BlobStore) -> None:
    puts = [blobs.put(NAME, [bytes([number]) * 1000]) for number in range(8)]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(each) for each in outcomes if each is not None] == [Conflict] * 7
    winner = outcomes.index(None)
    assert await blobs.read(Extent(NAME, 0, 1000)) == bytes([winner]) * 1000


async def test_a_missing_blob(blobs: BlobStore) -> None:
    extent = Extent("packs/ab/none.zip", 0, 10)
    with pytest.raises(BlobNotFound):
        await blobs.read(extent)
    with pytest.raises(BlobNotFound):
        await streamed(blobs, extent, 10)
    await blobs.delete(extent.blob)


async def test_a_blob_that_is_too_short(blobs: BlobStore) -> None:
    await blobs.put(NAME, [b"0123456789"])
    for extent in (Extent(NAME, 5, 6), Extent(NAME, 20, 1)):
        with pytest.raises(Unavailable):
            await blobs.read(extent)


async def test_delete_and_again(blobs: BlobStore) -> None:
    await blobs.put(NAME, [b"x"])
    await blobs.delete(NAME)
    await blobs.delete(NAME)
    assert await names(blobs) == set()
    await blobs.put(NAME, [b"y"])
    assert await blobs.read(Extent(NAME, 0, 1)) == b"y"


async def test_list_by_prefix(blobs: BlobStore) -> None:
    for name in ("packs/a/1.zip", "packs/b/2.zip", "dead/1/x.json", "dead/10/y.json"):
        await blobs.put(name, [b"12345"])
    assert await names(blobs, "packs/") == {"packs/a/1.zip", "packs/b/2.zip"}
    assert await names(blobs, "dead/1/") == {"dead/1/x.json"}
    assert await names(blobs, "dead/1") == {"dead/1/x.json", "dead/10/y.json"}
    assert await names(blobs, "none/") == set()
    facts = [facts async for facts in blobs.list("packs/a/")]
    assert facts[0].length == 5
    assert abs(facts[0].modified_at - datetime.now(UTC)) < timedelta(minutes=5)


async def test_a_writer_writes_its_head_last(blobs: BlobStore) -> None:
    writer = await blobs.open_writer(NAME, head_length=10)
    await writer.write([CONTENT[:50_000], memoryview(CONTENT)[50_000:]])
    assert await names(blobs) == set(), "invisible until it is committed"
    with pytest.raises(BlobNotFound):
        await blobs.read(Extent(NAME, 0, 1))
    await writer.commit(head=b"0123456789", tail=[b"ta", b"il"])
    expected = b"0123456789" + CONTENT + b"tail"
    assert await blobs.read(Extent(NAME, 0, len(expected))) == expected
    await writer.abort()
    assert await names(blobs) == {NAME}, "aborting does nothing behind a commit"


async def test_a_head_of_another_length_is_refused(blobs: BlobStore) -> None:
    writer = await blobs.open_writer(NAME, head_length=10)
    with pytest.raises(ValueError, match="does not fit"):
        await writer.commit(head=b"short", tail=[])
    await writer.abort()


async def test_an_aborted_writer_leaves_nothing(blobs: BlobStore) -> None:
    writer = await blobs.open_writer(NAME, head_length=4)
    await writer.write([CONTENT])
    await writer.abort()
    await writer.abort()
    assert await names(blobs) == set()
    await blobs.put(NAME, [b"free"])


async def test_a_long_blob_needs_little_memory(blobs: BlobStore) -> None:
    piece = secrets.token_bytes(1024**2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer = await blobs.open_writer(NAME, head_length=0)
    for _ in range(256):
        await writer.write([piece])
    await writer.commit(head=b"", tail=[])
    total = 0
    async for chunk in blobs.stream(Extent(NAME, 0, 256 * 1024**2), chunk_bytes=1024**2):
        assert chunk == piece
        total += len(chunk)
    assert total == 256 * 1024**2
    growth_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert growth_kib < 128 * 1024


async def test_names_are_checked(blobs: BlobStore) -> None:
    for name in ("", "/a", "a//b", "../a", "a/../b", ".a", "A", "a b", "a\n", "x" * 600):
        with pytest.raises(ValueError, match="not a blob name"):
            await blobs.put(name, [b"x"])


async def test_check_and_sweep(blobs: BlobStore) -> None:
    await blobs.check()
    assert await names(blobs) == set()
    assert await blobs.sweep_unfinished(age_s_min=0) == 0
