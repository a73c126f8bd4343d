from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.dicomweb import retrieve_frames as route
from longshore.errors import NotFound, Unavailable
from longshore.index.locate import FrameSource
from longshore.services import fragment_places, retrieve_frames
from longshore.services.retrieve import Binding, bare
from longshore.services.retrieve_frames import plan_frames
from tests.dicomweb.packs import EXPLICIT, IMPLICIT, JPEG, JPEG_LS, MemoryBlobs, Stored, pack
from tests.dicomweb.shelf import Shelf
from tests.support import related

pytestmark = pytest.mark.anyio

HEADER = b"preamble and data elements"
FRAMES = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4/frames"


def item(value: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value


def native(blobs: MemoryBlobs, pixels: bytes, bits: int, numbers: list[int]) -> FrameSource:
    stored = Stored(HEADER + pixels, {})
    (located,) = pack(blobs, "packs/00/1.zip", [stored], first_key=1)
    return native_source(located, numbers, pixel_offset=len(HEADER), frame_bits=bits)


def encapsulated(
    blobs: MemoryBlobs, frames: list[list[bytes]], numbers: list[int], syntax: str = JPEG
) -> FrameSource:
    payload, table = HEADER, []
    for frame in frames:
        joined = b"".join(map(item, frame))
        table.append((len(payload), len(joined)))
        payload += joined
    stored = Stored(payload, {}, transfer_syntax_uid=syntax)
    (located,) = pack(blobs, "packs/00/1.zip", [stored], first_key=1)
    return encapsulated_source(located, [table[number - 1] for number in numbers])


def native_source(located, numbers, *, pixel_offset, frame_bits):
    return FrameSource(
        located=located,
        is_native=True,
        pixel_offset=pixel_offset,
        frame_bits=frame_bits,
        frame_indices=tuple(number - 1 for number in numbers),
    )


def encapsulated_source(located, extents):
    return FrameSource(located=located, is_native=False, extents=tuple(extents))


async def body(blobs: MemoryBlobs, source: FrameSource) -> bytes:
    count = len(source.frame_indices or source.extents)
    plan = await plan_frames(blobs, source, Binding([b""] * count, b""))
    whole = b"".join([chunk async for chunk in plan.open()])
    assert plan.length in (None, len(whole))
    return whole


@given(bits=st.integers(1, 70), count=st.integers(1, 5), data=st.data())
async def test_frames_within_bytes_are_shifted(bits: int, count: int, data: st.DataObject) -> None:
    pixels = data.draw(st.lists(st.booleans(), min_size=bits * count, max_size=bits * count))
    # The first pixel is the lowest bit of the first byte (PS3.5 8.1.1).
    packed = bytearray(-(-len(pixels) // 8))
    for position, pixel in enumerate(pixels):
        packed[position // 8] |= pixel << (position % 8)
    blobs = MemoryBlobs()
    for number in range(1, count + 1):
        got = await body(blobs, native(blobs, bytes(packed), bits, [number]))
        unpacked = [bool(got[i // 8] >> (i % 8) & 1) for i in range(len(got) * 8)]
        assert unpacked[:bits] == pixels[(number - 1) * bits : number * bits]
        assert not any(unpacked[bits:])


@given(
    frames=st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=4), min_size=1, max_size=4)
)
@pytest.mark.parametrize("is_held", [True, False])
async def test_fragments_are_joined_without_their_headers(
    frames: list[list[bytes]], is_held: bool
) -> None:
    blobs = MemoryBlobs()
    numbers = [*range(len(frames), 0, -1), 1]
    source = encapsulated(blobs, frames, numbers)
    with pytest.MonkeyPatch.context() as patch:
        if not is_held:
            patch.setattr(retrieve_frames, "HELD_BYTES_MAX", 0)
        got = await body(blobs, source)
    assert got == b"".join(b"".join(frames[number - 1]) for number in numbers)


@given(
    fragments=st.lists(st.binary(max_size=20), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 120), max_size=6),
)
def test_headers_are_stripped_at_every_cut(fragments: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(map(item, fragments))
    borders = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    stripper = retrieve_frames._Stripper(Unavailable)
    values = [
        value for start, stop in pairwise(borders) for value in stripper.feed(whole[start:stop])
    ]
    stripper.finish()
    assert b"".join(values) == b"".join(fragments)


@pytest.mark.parametrize(
    "broken", [item(b"12345678")[:-1], b"\xfe\xff\x00", b"\xfe\xff\xdd\xe0\0\0\0\0", b"raw bytes!"]
)
async def test_what_are_no_fragments_is_not_served(broken: bytes) -> None:
    blobs = MemoryBlobs()
    (located,) = pack(blobs, "packs/00/1.zip", [Stored(HEADER + broken, {})], first_key=1)
    source = encapsulated_source(located, [(len(HEADER), len(broken))])
    with pytest.raises(Unavailable, match=r"instance 1\.2\.3\.4"):
        await plan_frames(blobs, source, bare())


async def test_a_frame_never_leaves_its_instance() -> None:
    blobs = MemoryBlobs()
    source = native(blobs, b"1234", 32, [2])
    with pytest.raises(Unavailable):
        await plan_frames(blobs, source, bare())


async def test_long_frames_have_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve_frames, "HELD_BYTES_MAX", 10)
    blobs = MemoryBlobs()
    frames = [[b"x" * 100], [b"y" * 50, b"z" * 50], [b""]]
    for numbers, length in ([1], 100), ([2], 100), ([3, 2, 3], 100):
        source = encapsulated(blobs, frames, numbers)
        assert len(await body(blobs, source)) == length
        plan = await plan_frames(blobs, source, Binding([b""] * len(numbers), b""))
        assert plan.length == length


async def test_very_many_fragments_are_not_visited_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve_frames, "HELD_BYTES_MAX", 10)
    blobs = MemoryBlobs()
    source = encapsulated(blobs, [[b"x"] * (fragment_places.FRAGMENT_COUNT_MAX + 1)], [1])
    plan = await plan_frames(blobs, source, bare())
    assert plan.length is plan.cut is None
    assert await body(blobs, source) == b"x" * (fragment_places.FRAGMENT_COUNT_MAX + 1)


async def test_long_frames_that_are_no_fragments_are_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve_frames, "HELD_BYTES_MAX", 2)
    blobs = MemoryBlobs()
    for broken in (item(b"12345678")[:-1], b"\xfe\xff\x00", b"raw bytes!"):
        (located,) = pack(blobs, "packs/00/1.zip", [Stored(HEADER + broken, {})], first_key=1)
        source = encapsulated_source(located, [(len(HEADER), len(broken))])
        with pytest.raises(Unavailable, match=r"instance 1\.2\.3\.4"):
            await plan_frames(blobs, source, bare())


async def test_adjacent_native_frames_are_one_read() -> None:
    blobs = MemoryBlobs()
    source = native(blobs, bytes(range(200)), 80, [2, 3, 4, 1])
    assert await body(blobs, source) == bytes(range(10, 40)) + bytes(range(10))
    assert len(blobs.requests) == 2


@pytest.fixture
def frames(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Three frames of one byte each, as the stored transfer syntax says."""

    async def locate_frames(_: object, *, frame_numbers: list[int], **uids: object) -> FrameSource:
        located = shelf.located[0]
        if max(frame_numbers) > 3:
            raise NotFound("The specified frame cannot be found.")
        if located.transfer_syntax_uid in (EXPLICIT, IMPLICIT):
            return native_source(located, frame_numbers, pixel_offset=0, frame_bits=8)
        return encapsulated_source(located, [((n - 1) * 9, 9) for n in frame_numbers])

    monkeypatch.setattr(route, "locate_frames", locate_frames)
    return shelf


def store(shelf: Shelf, syntax: str) -> None:
    is_native = syntax in (EXPLICIT, IMPLICIT)
    payload = b"abc" if is_native else item(b"a") + item(b"b") + item(b"c")
    shelf.store(Stored(payload, {}, transfer_syntax_uid=syntax))


@pytest.mark.parametrize(
    ("stored", "accept", "part_type"),
    [
        (EXPLICIT, "", f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (IMPLICIT, "*/*", f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (JPEG, "*", f"application/octet-stream; transfer-syntax={JPEG}"),
        (JPEG_LS, 'multipart/related; type="image/jls"', f"image/jls; transfer-syntax={JPEG_LS}"),
    ],
)
async def test_parts_come_in_the_order_asked(
    http: httpx.AsyncClient, frames: Shelf, stored: str, accept: str, part_type: str
) -> None:
    store(frames, stored)
    response = await http.get(f"{FRAMES}/3,1%2C1, 2", headers={"accept": accept})
    assert response.status_code == 200
    root = part_type.partition(";")[0]
    assert response.headers["content-type"].endswith(f'; type="{root}"')
    parts = related.parts(response)
    assert [part.content for part in parts] == [b"c", b"a", b"a", b"b"]
    assert {part.content_type for part in parts} == {part_type}
    assert response.headers["content-length"] == str(len(response.content))


@pytest.mark.parametrize(
    ("stored", "accept", "content_type"),
    [
        (JPEG, "application/octet-stream; transfer-syntax=*",
         f"application/octet-stream; transfer-syntax={JPEG}"),
        (JPEG, "image/jpeg", f"image/jpeg; transfer-syntax={JPEG}"),
        (IMPLICIT, f"application/octet-stream; transfer-syntax={EXPLICIT}",
         f"application/octet-stream; transfer-syntax={EXPLICIT}"),
    ],
)  # fmt: skip
async def test_one_frame_alone(
    http: httpx.AsyncClient, frames: Shelf, stored: str, accept: str, content_type: str
) -> None:
    store(frames, stored)
    response = await http.get(f"{FRAMES}/2", headers={"accept": accept})
    assert response.content == b"b"
    assert response.headers["content-type"] == content_type
    assert response.headers["content-length"] == "1"


@pytest.mark.parametrize(
    ("list_text", "accept", "http_status", "text"),
    [
        ("0", "", 400, "The specified frames value is not valid."),
        ("-1", "", 400, "The specified frames value is not valid."),
        ("0,1", "", 400, "The specified frames value is not valid."),
        ("a", "", 400, "The specified frames value is not valid."),
        ("1,,2", "", 400, "The specified frames value is not valid."),
        ("%EF%BC%91", "", 400, "The specified frames value is not valid."),
        ("4", "", 404, "The specified frame cannot be found."),
        ("1,99999999999999999999", "", 404, "The specified frame cannot be found."),
        (",".join(["1"] * 4097), "", 413, "The request exceeded the allowed limit of 4096 frames."),
        ("1,2", "application/octet-stream", 400, "The accept header is supported for single"),
        ("1", "image/png", 406, "The request headers are not acceptable"),
        ("1", 'multipart/related; type="image/gif"', 406, "The request headers are not acceptable"),
    ],
)
async def test_frame_refusals(
    http: httpx.AsyncClient, frames: Shelf, list_text: str, accept: str, http_status: int, text: str
) -> None:
    store(frames, EXPLICIT)
    response = await http.get(f"{FRAMES}/{list_text}", headers={"accept": accept})
    assert response.status_code == http_status
    assert response.text.startswith(text)
    assert frames.blobs.requests == []
