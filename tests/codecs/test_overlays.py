"""Overlays in pictures: where they are, on which frame, and what is left out."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from longshore.codecs.facts import PixelFacts
from longshore.codecs.overlays import draw

EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"


def facts(**changes: Any) -> PixelFacts:
    given: dict[str, Any] = {
        "transfer_syntax_uid": EXPLICIT, "rows": 4, "columns": 6, "samples_per_pixel": 1,
        "bits_allocated": 16, "bits_stored": 12, "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2", "planar_configuration": 0,
    }  # fmt: skip
    return PixelFacts(**{**given, **changes})


def overlay(mask: npt.NDArray[np.bool_], group: str = "6000", **more: Any) -> dict[str, Any]:
    """The attributes of an overlay; `mask` has frames first where it has three dimensions."""
    elements = {"0010": mask.shape[-2], "0011": mask.shape[-1], "0040": "G", "0050": [1, 1]}
    elements |= {name.removeprefix("e"): value for name, value in more.items()}
    found: dict[str, Any] = {
        f"{group}{element}": {"vr": "US", "Value": value if isinstance(value, list) else [value]}
        for element, value in elements.items()
    }
    data = np.packbits(mask.ravel(), bitorder="little").tobytes()
    found[f"{group}3000"] = {"vr": "OW", "InlineBinary": base64.b64encode(data).decode()}
    return found


def drawn(dataset: dict[str, Any], *, number: int = 1, octets: bytes = b"", **more: Any) -> Any:
    picture = Image.fromarray(np.full((4, 6), 7, np.uint8))
    return np.asarray(draw(picture, dataset, facts(**more), octets, number)) == 255


MASK = np.zeros((4, 6), np.bool_)
MASK[1, 2:5] = MASK[3, 5] = True


def test_graphics_are_white() -> None:
    assert np.array_equal(drawn(overlay(MASK)), MASK)
    colours = Image.fromarray(np.zeros((4, 6, 3), np.uint8))
    found = np.asarray(draw(colours, overlay(MASK), facts(samples_per_pixel=3), b"", 1))
    assert np.array_equal(found, np.repeat(MASK[..., None] * np.uint8(255), 3, axis=2))


def test_several_groups() -> None:
    other = ~MASK
    assert drawn({**overlay(MASK), **overlay(other, "601E")}).all()
    assert not drawn(overlay(MASK, "6020")).any()  # no group of overlays


@pytest.mark.parametrize(
    ("origin", "at"),
    [([2, 3], (1, 2)), ([-1, 0], (-2, -1)), ([4, 6], (3, 5)), ([9, 1], (8, 0)), ([-7, 1], (-8, 0))],
)
def test_an_overlay_lies_where_its_origin_says(origin: list[int], at: tuple[int, int]) -> None:
    expected = np.zeros((4, 6), np.bool_)
    for row, column in np.argwhere(MASK):
        if 0 <= row + at[0] < 4 and 0 <= column + at[1] < 6:
            expected[row + at[0], column + at[1]] = True
    assert np.array_equal(drawn(overlay(MASK, e0050=origin)), expected)


def test_each_frame_has_its_own() -> None:
    masks = np.stack([MASK, ~MASK, np.roll(MASK, 1)])
    dataset = overlay(masks, e0015=3, e0051=2)
    assert not drawn(dataset, number=1).any()
    for number in (2, 3, 4):
        assert np.array_equal(drawn(dataset, number=number), masks[number - 2])
    assert not drawn(dataset, number=5).any()


@pytest.mark.parametrize(("syntax", "order"), [(EXPLICIT, "<"), (BIG_ENDIAN, ">")])
def test_bits_that_pixels_do_not_use(syntax: str, order: str) -> None:
    octets = (MASK.astype(f"{order}u2") << 14 | 0x0FFF).astype(f"{order}u2").tobytes()
    dataset = {**overlay(MASK, e0100=16, e0102=14)}
    del dataset["60003000"]
    assert np.array_equal(drawn(dataset, octets=octets, transfer_syntax_uid=syntax), MASK)
    dataset["60000102"]["Value"] = [11]  # a bit of the pixel itself
    assert not drawn(dataset, octets=octets).any()


@pytest.mark.parametrize(
    "change",
    [{"e0040": "R"}, {"e0010": 0}, {"e0010": 60_000}, {"e0011": "x"}, {"e0015": 2, "e0051": 1}],
)
def test_what_is_no_overlay_is_left_out(change: dict[str, Any]) -> None:
    number = 2 if "e0015" in change else 1
    assert not drawn(overlay(MASK, **change), number=number).any()
