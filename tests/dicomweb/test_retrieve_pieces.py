"""The reading engine: any extents, in any order, in chunks of any size, give the same bytes."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from longshore.errors import BlobNotFound
from longshore.extent import Extent
from longshore.services.retrieve import Binding, Plan, bare, plan_bytes, plan_extents
from longshore.services.retrieve_pieces import GAP_BYTES_MAX, READS_MAX, read_pieces, runs
from tests.dicomweb.packs import MemoryBlobs

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(64))


def within_content(blob: str, offset: int, length: int) -> Extent:
    return Extent(blob, offset, min(length, len(CONTENT) - offset))


EXTENTS = st.lists(
    st.builds(
        within_content,
        st.sampled_from(["a", "b"]),
        st.integers(0, len(CONTENT)),
        st.integers(0, 20),
    ),
    max_size=8,
)


async def joined(plan: Plan) -> bytes:
    return b"".join([chunk async for chunk in plan.open()])


@given(extents=EXTENTS, chunk_bytes=st.integers(1, 70))
async def test_pieces_are_the_extents_bytes(extents: list[Extent], chunk_bytes: int) -> None:
    blobs = MemoryBlobs({"a": CONTENT, "b": CONTENT[::-1]})
    got = [bytearray() for _ in extents]
    latest = 0
    async for group in read_pieces(blobs, extents, chunk_bytes=chunk_bytes):
        assert sum(len(octets) for _, octets in group) <= chunk_bytes
        for index, octets in group:
            assert index >= latest
            latest = index
            got[index] += octets
    expected = [blobs.contents[each.blob][each.offset : each.end] for each in extents]
    assert [bytes(each) for each in got] == expected


@given(extents=EXTENTS)
async def test_a_bound_body_is_as_long_as_planned(extents: list[Extent]) -> None:
    blobs = MemoryBlobs({"a": CONTENT, "b": CONTENT[::-1]})
    heads = [f"<{index}>".encode() for index in range(len(extents))]
    plan = plan_extents(blobs, extents, Binding(heads, b"</>"))
    body = await joined(plan)
    parts = [
        head + blobs.contents[each.blob][each.offset : each.end]
        for head, each in zip(heads, extents, strict=True)
    ]
    assert body == b"".join(parts) + b"</>"
    assert len(body) == plan.length


@pytest.mark.parametrize(
    ("extents", "expected"),
    [
        ([], []),
        ([(0, 5)], [(0, 5)]),
        ([(0, 5), (5, 5)], [(0, 10)]),
        ([(0, 5), (5 + GAP_BYTES_MAX, 5)], [(0, 10 + GAP_BYTES_MAX)]),
        ([(0, 5), (6 + GAP_BYTES_MAX, 5)], [(0, 5), (6 + GAP_BYTES_MAX, 5)]),
        ([(5, 5), (0, 5)], [(5, 5), (0, 5)]),
        ([(0, 5), (0, 5)], [(0, 5), (0, 5)]),
        ([(0, 5), (4, 5)], [(0, 5), (4, 5)]),
    ],
)
def test_runs(extents: Sequence[tuple[int, int]], expected: Sequence[tuple[int, int]]) -> None:
    made = list(runs([Extent("a", *each) for each in extents]))
    assert [(run.span.offset, run.span.length) for run in made] == list(expected)
    assert [index for run in made for index in range(run.start, run.stop)] == list(
        range(len(extents))
    )


async def test_a_whole_chunk_of_one_extent_is_not_copied() -> None:
    chunk = bytes(100)
    blobs = MemoryBlobs({"a": chunk})
    chunks = [each async for each in plan_extents(blobs, [Extent("a", 0, 100)], bare()).open()]
    assert chunks[0] == chunk
    groups = [each async for each in read_pieces(blobs, [Extent("a", 0, 100)])]
    assert isinstance(groups[0][0].octets, bytes)


async def test_short_extents_are_read_at_the_same_time() -> None:
    blobs = MemoryBlobs({str(n): bytes([n]) * 10 for n in range(40)})
    extents = [Extent(str(n), 0, 10) for n in range(40)]
    groups = [each async for each in read_pieces(blobs, extents, chunk_bytes=100)]
    assert [len(group) for group in groups] == [10] * 4
    groups = [each async for each in read_pieces(blobs, extents, chunk_bytes=1000)]
    assert [len(group) for group in groups] == [READS_MAX, READS_MAX, 40 - 2 * READS_MAX]
    assert [piece.at for group in groups for piece in group] == list(range(40))


async def test_values_in_memory_are_bound_alike() -> None:
    plan = plan_bytes([b"x", b"", b"z"], Binding([b"1", b"2", b"3"], b"."))
    assert await joined(plan) == b"1x23z."
    assert plan.length == 6


async def test_a_missing_blob_is_named_at_the_first_read() -> None:
    chunks = plan_extents(MemoryBlobs(), [Extent("gone", 0, 1)], bare()).open()
    with pytest.raises(BlobNotFound):
        await anext(chunks)


class PartlyCached(MemoryBlobs):
    """Has some of its extents at once."""

    at_once: int = 0
    """How many reads go so, before one does not."""

    @override
    def read_at_once(self, extent: Extent, head: bytes = b"", tail: bytes = b"") -> bytes | None:
        self.at_once -= 1
        return None if self.at_once < 0 else head + self._bytes(extent) + tail


@pytest.mark.parametrize("lengths", [[70, 80, 64, 90], [70, 1, 80], [1, 70], [64], [1], []])
@pytest.mark.parametrize("at_once", range(6))
async def test_long_extents_come_in_one_piece_as_long_as_they_are_there(
    lengths: list[int], at_once: int
) -> None:
    blobs = PartlyCached({"a": bytes(range(256)) * 1_024})
    blobs.at_once = at_once
    starts = itertools.accumulate([0, *lengths])
    extents = [
        Extent("a", 1_000 * start, 1_024 * length)
        for start, length in zip(starts, lengths, strict=False)
    ]
    heads = [f"<{index}>".encode() for index in range(len(extents))]
    plan = plan_extents(blobs, extents, Binding(heads, b"</>"))
    expected = [head + blobs._bytes(each) for head, each in zip(heads, extents, strict=True)]
    chunks = [chunk async for chunk in plan.open()]
    assert b"".join(chunks) == b"".join(expected) + b"</>"
    first = next((at for at, length in enumerate(lengths) if length < 64), len(lengths))
    alone = min(first, at_once)
    assert [chunk.removesuffix(b"</>") for chunk in chunks[:alone]] == expected[:alone]
    assert blobs.open_streams == 0
