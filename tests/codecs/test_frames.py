"""Frames that are not what their instance says; every way from a transfer syntax to another."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame

from longshore.codecs.facts import DECODED_BYTES_MAX, TARGETS, PixelFacts, pixel_facts
from longshore.codecs.frames import decode, transcode
from longshore.codecs.instances import transcode_file
from longshore.codecs.pool import CodecLimits, CodecPool
from longshore.codecs.tasks import transcode_frame
from longshore.errors import Undecodable
from tests.support.corpus import CORPUS

EXPLICIT = TARGETS[0]
FACTS = PixelFacts(EXPLICIT, 40, 50, 1, 16, 12, 0, "MONOCHROME2", 0)

COMPRESSED = {
    "JPEG": "files/pydicom/JPEG-lossy.dcm",
    "JPEG lossless": "files/pydicom/SC_rgb_jpeg_gdcm.dcm",
    "JPEG-LS": "files/pydicom/MR_small_jpeg_ls_lossless.dcm",
    "JPEG 2000": "files/pydicom/MR_small_jp2klossless.dcm",
    "RLE": "files/pydicom/MR_small_RLE.dcm",
}


def opened(name: str) -> tuple[PixelFacts, bytes]:
    """The facts and frame 1 of a file."""
    dataset = pydicom.dcmread(CORPUS / name)
    described = dataset.group_dataset(0x28).to_json_dict()
    facts = pixel_facts(described, str(dataset.file_meta.TransferSyntaxUID))
    count = int(dataset.get("NumberOfFrames") or 1)
    return facts, get_frame(dataset.PixelData, 0, number_of_frames=count)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("samples", [1, 3])
def test_nothing_is_lost(target: str, sign: int, bits: int, samples: int) -> None:
    if samples == 3 and sign:
        sign = 0  # PS3.3 C.7.6.3.1.2: colours have no sign
    stored = bits if bits == 8 else 12
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if sign else (0, (1 << stored) - 1)
    shape = (40, 50, samples)[: 3 if samples > 1 else 2]
    dtype = np.dtype(f"<{'i' if sign else 'u'}{bits // 8}")
    pixels = np.random.default_rng(1).integers(low, high, shape, dtype, endpoint=True)
    facts = PixelFacts(
        EXPLICIT, 40, 50, samples, bits, stored, sign, "RGB" if samples > 1 else "MONOCHROME2", 0
    )
    made = transcode(facts, pixels.tobytes(), target)
    found, _ = decode(replace(facts, transfer_syntax_uid=target), made)
    assert np.array_equal(found, pixels)


def test_one_bit() -> None:
    facts = replace(FACTS, bits_allocated=1, bits_stored=1)
    packed = np.random.default_rng(1).integers(0, 256, 250, np.uint8).tobytes()
    assert transcode(facts, packed, EXPLICIT) == packed
    with pytest.raises(Undecodable, match=f"ask for transfer-syntax={EXPLICIT}"):
        transcode(facts, packed, TARGETS[1])


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("change", ["rows", "columns", "bits", "samples"])
def test_a_codestream_that_disagrees_with_its_instance(kind: str, change: str) -> None:
    facts, octets = opened(COMPRESSED[kind])
    if kind == "RLE" and change == "bits":
        change = "samples"
    lying = {
        "rows": replace(facts, rows=facts.rows * 2 + 1),
        "columns": replace(facts, columns=facts.columns * 3),
        "bits": replace(facts, bits_allocated=1, bits_stored=1),
        "samples": replace(facts, samples_per_pixel=4 - facts.samples_per_pixel),
    }[change]
    if kind != "RLE":
        with pytest.raises(Undecodable, match="its instance says"):
            decode(lying, octets)
    else:
        with pytest.raises((RuntimeError, ValueError)):
            decode(lying, octets)


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.anyio
async def test_a_codestream_that_ends_early_or_is_noise(kind: str) -> None:
    facts, octets = opened(COMPRESSED[kind])
    noise = np.random.default_rng(2).integers(0, 256, len(octets), np.uint8).tobytes()
    pool = CodecPool(CodecLimits(seconds_max=10))
    try:
        for broken in (octets[:20], b"", noise):
            with pytest.raises(Undecodable):
                await pool.run(transcode_frame, facts, broken, EXPLICIT)
        # Header as it should be, noise behind it: whatever the codec makes of it, others go on.
        half = octets[: len(octets) // 2] + noise[len(octets) // 2 :]
        with contextlib.suppress(Undecodable):
            await pool.run(transcode_frame, facts, half, EXPLICIT)
        assert await pool.run(transcode_frame, facts, octets, EXPLICIT)
    finally:
        await pool.close()


@pytest.mark.anyio
async def test_such_a_codestream_costs_one_request() -> None:
    pool = CodecPool(CodecLimits(seconds_max=10))
    try:
        for kind in COMPRESSED:
            facts, octets = opened(COMPRESSED[kind])
            lying = replace(facts, rows=60_000, columns=4_000, bits_allocated=16, bits_stored=12)
            with pytest.raises(Undecodable):
                await pool.run(transcode_frame, lying, octets, EXPLICIT)
        facts, octets = opened(COMPRESSED["RLE"])
        assert await pool.run(transcode_frame, facts, octets, EXPLICIT)
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("00280010", 0),
        ("00280011", -1),
        ("00280100", 12),
        ("00280100", 0),
        ("00280101", 17),
        ("00280002", 0),
        ("00280010", "many"),
    ],
)
def test_impossible_descriptions(tag: str, value: object) -> None:
    dataset = {
        "00280010": {"Value": [4]},
        "00280011": {"Value": [4]},
        "00280100": {"Value": [16]},
        tag: {"Value": [value]},
    }
    with pytest.raises(Undecodable):
        pixel_facts(dataset, EXPLICIT)


def test_an_image_that_claims_too_much_is_not_begun() -> None:
    dataset = {tag: {"Value": [65_535]} for tag in ("00280010", "00280011")}
    with pytest.raises(Undecodable, match=f"{DECODED_BYTES_MAX // 1024**2} MiB"):
        pixel_facts({**dataset, "00280100": {"Value": [16]}}, EXPLICIT)


def test_a_short_native_frame() -> None:
    with pytest.raises(Undecodable, match="fewer bytes"):
        decode(FACTS, bytes(FACTS.decoded_bytes - 1))


@pytest.mark.parametrize("target", TARGETS)
def test_files_keep_their_attributes(target: str) -> None:
    content = (CORPUS / "files/pydicom/MR_small_bigendian.dcm").read_bytes()
    before = pydicom.dcmread(io.BytesIO(content))
    after = pydicom.dcmread(io.BytesIO(transcode_file(content, target)))
    assert after.file_meta.TransferSyntaxUID == target
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert [each.tag for each in after] == [each.tag for each in before]
    assert np.array_equal(after.pixel_array, before.pixel_array)
    for element in before:
        if element.keyword != "PixelData" and element.VR not in ("OW", "OB"):
            assert after[element.tag].value == element.value
