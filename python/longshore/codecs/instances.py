"""Whole instances in another transfer syntax. Runs in a codec's process."""

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.filereader import dcmread  # pyright: ignore[reportUnknownVariableType]
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from longshore.codecs.facts import NATIVE, PixelFacts, pixel_facts
from longshore.codecs.frames import transcode
from longshore.errors import Undecodable

DECODED_BYTES_MAX = 256 * 1024**2
"""Of all frames of an instance; a larger one is transcoded frame by frame only."""

_WORD_BYTES: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_PIXEL_DATA: Final = 0x7FE00010


def transcode_file(content: bytes, target: str) -> bytes:
    """Returns a Part 10 file in another transfer syntax, with all of its attributes.

    Attributes that describe the pixels change where the pixels do: what was compressed as YBR is
    RGB, and samples are by pixel (PS3.5 8.2).

    Args:
        content: The whole file.
        target: One of `longshore.codecs.facts.TARGETS`.

    Raises:
        Undecodable: Its pixels cannot be decoded, or not be encoded so.
    """
    dataset = dcmread(io.BytesIO(content), force=True)
    source = str(dataset.file_meta.TransferSyntaxUID)
    if source == ExplicitVRBigEndian:
        _to_little_endian(dataset)
        source = str(ExplicitVRLittleEndian)
    if _PIXEL_DATA in dataset:
        _transcode_pixels(dataset, source, target)
    else:
        # Without integer pixels there is nothing that another syntax could compress.
        target = ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = UID(target)
    dataset.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    if "ImplementationVersionName" in dataset.file_meta:
        del dataset.file_meta.ImplementationVersionName
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _transcode_pixels(dataset: FileDataset, source: str, target: str) -> None:
    if source in NATIVE and target == ExplicitVRLittleEndian:
        return
    facts = pixel_facts(dataset.group_dataset(0x28).to_json_dict(), source)
    count = max(1, int(dataset.get("NumberOfFrames") or 1))
    if count * facts.decoded_bytes > DECODED_BYTES_MAX:
        limit = DECODED_BYTES_MAX // 1024**2
        raise Undecodable(
            f"The decoded instance would be longer than {limit} MiB; ask for transfer-syntax=*, or"
            " for its frames."
        )
    frames = [transcode(facts, each, target) for each in _frames(dataset, facts, count)]
    element = dataset[_PIXEL_DATA]
    if target == ExplicitVRLittleEndian:
        joined = b"".join(frames)
        element.value = joined + b"\0" * (len(joined) % 2)
        element.VR = "OW" if facts.bits_allocated > 8 else "OB"
    else:
        element.value = encapsulate(frames)
        element.VR = "OB"
    element.is_undefined_length = target != ExplicitVRLittleEndian
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            del dataset[keyword]
    if facts.samples_per_pixel > 1:
        dataset.PlanarConfiguration = 0
        if not facts.is_native and facts.photometric_interpretation.startswith("YBR"):
            dataset.PhotometricInterpretation = "RGB"
        elif facts.is_native and facts.photometric_interpretation == "YBR_FULL_422":
            # Decoded, every pixel has its own colour.
            dataset.PhotometricInterpretation = "YBR_FULL"


def _frames(dataset: Dataset, facts: PixelFacts, count: int) -> Iterator[bytes]:
    content = dataset[_PIXEL_DATA].value
    if not facts.is_native:
        for index in range(count):
            yield get_frame(content, index, number_of_frames=count)
        return
    length = facts.decoded_bytes
    if facts.photometric_interpretation == "YBR_FULL_422":
        length = length // 3 * 2
    for index in range(count):
        yield content[index * length : (index + 1) * length]


def _to_little_endian(dataset: Dataset) -> None:
    """Makes a data set one that was read as little endian, values that are words included.

    pydicom converts numbers, and leaves words as they are.
    """
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                _to_little_endian(item)
        elif element.VR in _WORD_BYTES and isinstance(element.value, bytes):
            is_wide = element.tag == _PIXEL_DATA and int(dataset.get("BitsAllocated", 16)) > 16
            length = int(dataset.BitsAllocated) // 8 if is_wide else _WORD_BYTES[element.VR]
            dtype = np.dtype(f">u{length}")
            whole = len(element.value) // dtype.itemsize * dtype.itemsize
            words = np.frombuffer(element.value[:whole], dtype)
            element.value = words.byteswap().tobytes() + element.value[whole:]
    dataset.set_original_encoding(False, True, dataset.original_character_set)
