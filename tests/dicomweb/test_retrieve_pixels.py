"""Pixel data of several instances in one body, whatever they are."""

import pytest

from longshore.services import fragment_places
from longshore.services.retrieve import Binding
from longshore.services.retrieve_pixels import pixel_values, plan_pixels
from tests.dicomweb.packs import JPEG, MemoryBlobs, Stored, pack
from tests.dicomweb.test_retrieve_frames import HEADER, encapsulated_source, item, native_source

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("count_max", [256, 5])
async def test_native_and_compressed_ones_in_order(
    monkeypatch: pytest.MonkeyPatch, count_max: int
) -> None:
    monkeypatch.setattr(fragment_places, "FRAGMENT_COUNT_MAX", count_max)
    blobs = MemoryBlobs()
    first, second = item(b"ab") + item(b"c"), item(b"d") * 4
    stored = [
        Stored(HEADER + b"pixels", {}),
        Stored(HEADER + first + second, {}, transfer_syntax_uid=JPEG),
        Stored(HEADER + b"more", {}),
    ]
    located = pack(blobs, "packs/00/1.zip", stored, first_key=1)
    start = len(HEADER)
    extents = [(start, len(first)), (start + len(first), len(second)), (start, 0)]
    sources = [
        native_source(located[0], [1, 2], pixel_offset=start, frame_bits=24),
        encapsulated_source(located[1], extents),
        native_source(located[2], [1], pixel_offset=start, frame_bits=32),
    ]
    values = pixel_values(sources)
    assert [each.frame_number for each in values] == [None, 1, 2, 3, None]
    plan = await plan_pixels(blobs, values, Binding([b"1", b"2", b"3", b"4", b"5"], b"."))
    body = b"".join([chunk async for chunk in plan.open()])
    assert body == b"1pixels2abc3dddd45more."
    assert plan.length == (len(body) if count_max > 5 else None)
    if plan.cut:
        assert b"".join([chunk async for chunk in plan.cut(7, 6).open()]) == body[7:13]
