"""One frame: decoded, and encoded in another transfer syntax. Runs in a codec's process."""

import warnings
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from longshore.codecs import codestream
from longshore.codecs.facts import DECODABLE, PixelFacts
from longshore.errors import Undecodable

Pixels = NDArray[Any]
"""rows x columns[ x samples], values as stored."""

_JPEG_2000 = [f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)]
_JPEG_LS = [f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)]
_JPEG = [f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70)]
_PLUGINS: Final = {
    **dict.fromkeys(_JPEG, "gdcm"),
    **dict.fromkeys(_JPEG_LS, "pyjpegls"),
    **dict.fromkeys(_JPEG_2000, "pylibjpeg"),
    RLELossless: "pylibjpeg",
}
_NATIVE: Final = {"1.2.840.10008.1.2", ExplicitVRLittleEndian, "1.2.840.10008.1.2.2"}


def decode(facts: PixelFacts, octets: bytes, *, as_rgb: bool = False) -> tuple[Pixels, str]:
    """Decodes one frame.

    Args:
        facts: What the instance says of its pixels; a codestream that differs is refused.
        octets: The frame as it is stored, without item headers.
        as_rgb: What is YBR becomes RGB.

    Returns:
        The pixels, and their photometric interpretation.

    Raises:
        Undecodable: They are not what the instance says, or of a transfer syntax without a decoder.
    """
    uid = facts.transfer_syntax_uid
    if uid not in DECODABLE:
        raise Undecodable(f"Transfer syntax {uid} cannot be decoded; ask for transfer-syntax=*.")
    if facts.is_native and len(octets) < facts.decoded_bytes and not _is_subsampled(facts):
        raise Undecodable("The frame has fewer bytes than its rows and columns need.")
    codestream.check(facts, octets)
    if uid == JPEGExtended12Bit and facts.bits_stored > 8:
        return _decode_extended(facts, octets)
    is_native = facts.is_native
    known = uid if uid in _NATIVE or not is_native else ExplicitVRLittleEndian
    with warnings.catch_warnings():
        # Of codestreams that say another precision or sign than the data set; pydicom corrects it.
        warnings.simplefilter("ignore")
        pixels, described = get_decoder(known).as_array(
            octets if is_native else encapsulate([octets]),
            index=0,
            raw=not as_rgb,
            decoding_plugin=_PLUGINS.get(uid, ""),
            **_options(facts),
        )
    return pixels, str(described["photometric_interpretation"])


def transcode(facts: PixelFacts, octets: bytes, target: str) -> bytes:
    """Returns one frame in another transfer syntax.

    Native frames have their samples by pixel. What was compressed as YBR becomes RGB.

    Args:
        facts: Of the frame as stored.
        octets: The frame as stored.
        target: One of `longshore.codecs.facts.TARGETS`.

    Raises:
        Undecodable: It cannot be decoded, or not be encoded so.
    """
    pixels, photometric = decode(facts, octets, as_rgb=not facts.is_native)
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    if target == ExplicitVRLittleEndian:
        if facts.bits_allocated == 1:
            return np.packbits(little, bitorder="little").tobytes()
        return little.tobytes()
    return encode(facts, little.tobytes(), photometric, target)


def encode(facts: PixelFacts, native: bytes, photometric: str, target: str) -> bytes:
    """Encodes one native frame, little endian, samples by pixel.

    Raises:
        Undecodable: The target has no room for such pixels.
    """
    if facts.bits_allocated not in (8, 16):
        raise Undecodable(
            f"Pixels of {facts.bits_allocated} bits cannot be encoded so; ask for"
            f" transfer-syntax={ExplicitVRLittleEndian}."
        )
    if target in (JPEG2000Lossless, HTJ2KLossless):
        return _encode_wavelets(facts, native, target)
    options: dict[str, Any] = _options(facts)
    options |= {"photometric_interpretation": photometric, "planar_configuration": 0}
    encoder = get_encoder(target)
    plugin = "pyjpegls" if target == JPEGLSLossless else "pylibjpeg"
    encoded = encoder.encode(native, encoding_plugin=plugin, **options)
    return bytes(encoded)


def _encode_wavelets(facts: PixelFacts, native: bytes, target: str) -> bytes:
    """JPEG 2000 and its high throughput form, each sample by itself: the photometric stays."""
    shape = (facts.rows, facts.columns, facts.samples_per_pixel)
    kind = "i" if facts.pixel_representation else "u"
    dtype = np.dtype(f"<{kind}{facts.bits_allocated // 8}")
    pixels = np.frombuffer(native, dtype).reshape(shape[: 3 if shape[2] > 1 else 2])
    # Halving an image more often than it has pixels is refused by the libraries.
    resolutions = max(1, min(6, min(shape[:2]).bit_length()))
    if target == HTJ2KLossless:
        return bytes(
            imagecodecs.htj2k_encode(
                pixels, reversible=True, rgb=False, resolutions=resolutions - 1
            )
        )
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels,
            codecformat="j2k",
            reversible=True,
            mct=False,
            resolutions=resolutions,
            bitspersample=facts.bits_stored,
        )
    )


def _decode_extended(facts: PixelFacts, octets: bytes) -> tuple[Pixels, str]:
    """Twelve bits of JPEG Extended, which GDCM does not read."""
    pixels = np.asarray(imagecodecs.jpeg8_decode(octets))
    shape = (facts.rows, facts.columns, facts.samples_per_pixel)
    if pixels.shape != shape[: 3 if shape[2] > 1 else 2]:
        raise Undecodable("The codestream has other rows or columns than the instance says.")
    return pixels, facts.photometric_interpretation


def _options(facts: PixelFacts) -> dict[str, Any]:
    """The same as pydicom's coders take it."""
    return {
        "number_of_frames": 1,
        "rows": facts.rows,
        "columns": facts.columns,
        "samples_per_pixel": facts.samples_per_pixel,
        "bits_allocated": facts.bits_allocated,
        "bits_stored": facts.bits_stored,
        "pixel_representation": facts.pixel_representation,
        "photometric_interpretation": facts.photometric_interpretation,
        "planar_configuration": facts.planar_configuration,
        "pixel_keyword": "PixelData",
        "pixel_vr": "OW" if facts.bits_allocated > 8 or facts.is_in_words else "OB",
    }


def _is_subsampled(facts: PixelFacts) -> bool:
    return facts.photometric_interpretation == "YBR_FULL_422"
