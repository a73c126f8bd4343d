"""Range: any range of any body is what a slice of the whole is, and nothing else is read."""

import zlib
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.extent import Extent
from longshore.services.retrieve import Binding, Plan, bare, plan_bytes, plan_extents
from longshore.services.retrieve_bulkdata import plan_bulkdata
from longshore.services.retrieve_frames import plan_frames
from longshore.services.retrieve_pieces import CHUNK_BYTES
from tests.dicomweb.packs import EXPLICIT, JPEG, MemoryBlobs, Stored, pack
from tests.dicomweb.shelf import Shelf
from tests.dicomweb.test_retrieve_frames import encapsulated, native

pytestmark = pytest.mark.anyio

DEFLATED = "1.2.840.10008.1.2.1.99"
CONTENT = bytes(range(64))
PARTS = st.lists(
    st.tuples(st.binary(max_size=6), st.integers(0, 60), st.integers(0, 4)), min_size=1, max_size=6
)
INSTANCE = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4"
SINGLE = {"accept": "application/dicom; transfer-syntax=*"}


async def joined(plan: Plan) -> bytes:
    return b"".join([chunk async for chunk in plan.open()])


async def check_a_cut(plan: Plan, data: st.DataObject) -> None:
    """Compares one range with the slice of the whole."""
    whole = await joined(plan)
    assert plan.length == len(whole)
    if not whole:
        return
    first = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, len(whole) - first))
    assert plan.cut
    cut = plan.cut(first, length)
    assert cut.length == length
    assert await joined(cut) == whole[first : first + length]


@given(parts=PARTS, tail=st.binary(max_size=5), data=st.data())
async def test_of_extents_and_of_values(
    parts: Sequence[tuple[bytes, int, int]], tail: bytes, data: st.DataObject
) -> None:
    blobs = MemoryBlobs({"a": CONTENT})
    binding = Binding([head for head, _, _ in parts], tail)
    extents = [Extent("a", offset, length) for _, offset, length in parts]
    await check_a_cut(plan_extents(blobs, extents, binding), data)
    values = [CONTENT[each.offset : each.end] for each in extents]
    await check_a_cut(plan_bytes(values, binding), data)


@given(bits=st.integers(1, 40), count=st.integers(1, 4), data=st.data())
async def test_of_native_frames(bits: int, count: int, data: st.DataObject) -> None:
    blobs = MemoryBlobs()
    pixels = data.draw(st.binary(min_size=-(-bits * count // 8), max_size=-(-bits * count // 8)))
    numbers = [*range(count, 0, -1), 1]
    source = native(blobs, pixels, bits, numbers)
    binding = Binding([b"--b\r\n\r\n"] * len(numbers), b"--b--")
    await check_a_cut(await plan_frames(blobs, source, binding), data)


@given(
    frames=st.lists(st.lists(st.binary(max_size=9), max_size=4), min_size=1, max_size=3),
    is_held=st.booleans(),
    data=st.data(),
)
async def test_of_compressed_frames(
    frames: list[list[bytes]], is_held: bool, data: st.DataObject
) -> None:
    blobs = MemoryBlobs()
    source = encapsulated(blobs, frames, [*range(1, len(frames) + 1)])
    binding = Binding([b"head"] * len(frames), b"tail")
    with pytest.MonkeyPatch.context() as patch:
        if not is_held:
            patch.setattr("longshore.services.retrieve_frames.HELD_BYTES_MAX", 0)
        await check_a_cut(await plan_frames(blobs, source, binding), data)


@given(data=st.data())
async def test_of_a_value_in_a_deflated_file(data: st.DataObject) -> None:
    meta = b"\x02\x00\x10\x00UI" + (22).to_bytes(2, "little") + DEFLATED.encode()
    group = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    head = bytes(128) + b"DICM" + group + meta
    payload = head + deflater.compress(CONTENT * 4) + deflater.flush()
    blobs = MemoryBlobs()
    stored = Stored(payload, {}, transfer_syntax_uid=DEFLATED)
    (located,) = pack(blobs, "packs/00/1.zip", [stored], first_key=1)
    await check_a_cut(plan_bulkdata(blobs, located, (len(head) + 9, 200), bare()), data)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-3", (0, 4)),
        ("bytes=0-0", (0, 1)),
        ("bytes=60-", (60, 4)),
        ("bytes=60-99", (60, 4)),
        ("bytes=63-63", (63, 1)),
        ("bytes=-5", (59, 5)),
        ("bytes=-99", (0, 64)),
        ("Bytes = 1 - 2 ", (1, 2)),
    ],
)
async def test_a_range_of_an_instance(
    http: httpx.AsyncClient, shelf: Shelf, asked: str, expected: tuple[int, int]
) -> None:
    first, length = expected
    (located,) = shelf.store(Stored(CONTENT, {}))
    answer = await http.get(INSTANCE, headers={**SINGLE, "range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first : first + length]
    assert answer.headers["content-range"] == f"bytes {first}-{first + length - 1}/64"
    assert answer.headers["content-length"] == str(length)
    assert answer.headers["accept-ranges"] == "bytes"
    assert shelf.blobs.requests == [located.payload.within(first, length)]


@pytest.mark.parametrize("asked", ["bytes=64-", "bytes=99-100", "bytes=-0"])
async def test_a_range_behind_the_body(http: httpx.AsyncClient, shelf: Shelf, asked: str) -> None:
    shelf.store(Stored(CONTENT, {}))
    answer = await http.get(INSTANCE, headers={**SINGLE, "range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */64"
    assert answer.text == "The range begins behind the last byte. The body has 64 bytes."
    assert shelf.blobs.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"range": "bytes=0-1,4-5"},
        {"range": "bytes=5-4"},
        {"range": "bytes=a-b"},
        {"range": "bytes=-"},
        {"range": "items=0-1"},
        {"range": f"bytes={'9' * 30}-"},
        {"range": "bytes=0-1", "if-range": '"other"'},
        {"range": "bytes=0-1", "if-range": "Wed, 21 Oct 2026 07:28:00 GMT"},
    ],
)
async def test_what_is_no_single_current_range_gets_all(
    http: httpx.AsyncClient, shelf: Shelf, headers: dict[str, str]
) -> None:
    shelf.store(Stored(CONTENT, {}))
    answer = await http.get(INSTANCE, headers={**SINGLE, **headers})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-range" not in answer.headers


async def test_conditions_of_ranges(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(Stored(CONTENT, {}))
    tag = (await http.get(INSTANCE, headers=SINGLE)).headers["etag"]
    asked = {**SINGLE, "range": "bytes=8-9"}
    current = await http.get(INSTANCE, headers={**asked, "if-range": tag})
    assert (current.status_code, current.content) == (206, CONTENT[8:10])
    known = await http.get(INSTANCE, headers={**asked, "if-none-match": tag})
    assert known.status_code == 304
    head = await http.head(INSTANCE, headers=asked)
    assert (head.status_code, head.headers["content-length"]) == (200, "64")
    assert head.headers["accept-ranges"] == "bytes"


async def test_ranges_of_several_parts_fit_together(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*(Stored(CONTENT * n, {}, sop_instance_uid=f"1.{n}") for n in range(4)))
    whole = await http.get("/v2/studies/1.2")
    got = b""
    while len(got) < len(whole.content):
        asked = {"range": f"bytes={len(got)}-{len(got) + 99}"}
        answer = await http.get("/v2/studies/1.2", headers=asked)
        assert answer.status_code == 206
        assert answer.headers["content-type"] == whole.headers["content-type"]
        got += answer.content
    assert got == whole.content
    # The order may change when packs are merged, so the tag is weak and never serves a resumption.
    again = {"range": "bytes=5-", "if-range": whole.headers["etag"]}
    assert (await http.get("/v2/studies/1.2", headers=again)).status_code == 200


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG])
async def test_a_late_range_of_a_long_instance_reads_only_that(
    http: httpx.AsyncClient, shelf: Shelf, syntax: str
) -> None:
    content = bytes(5 * CHUNK_BYTES) + b"the end"
    (located,) = shelf.store(Stored(content, {}, transfer_syntax_uid=syntax))
    for headers in (SINGLE, {}):
        shelf.blobs.requests.clear()
        answer = await http.get(INSTANCE, headers={**headers, "range": "bytes=-300"})
        assert answer.status_code == 206
        assert b"the end" in answer.content
        (read,) = shelf.blobs.requests
        assert read.end == located.payload.end
        assert read.length <= 300


async def test_metadata_have_no_ranges(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(Stored(CONTENT, {"00080060": {"vr": "CS"}}))
    for coding in ("gzip", "identity"):
        headers = {"range": "bytes=0-1", "accept-encoding": coding}
        answer = await http.get("/v2/studies/1.2/metadata", headers=headers)
        assert answer.status_code == 200
        assert "accept-ranges" not in answer.headers
