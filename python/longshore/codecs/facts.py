"""What describes an instance's pixels (PS3.3 C.7.6.3), read from its DICOM JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from longshore.errors import Undecodable

DECODED_BYTES_MAX = 512 * 1024**2
"""Of one frame, decoded; a larger one is served as stored only."""

NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
)
"""Transfer syntaxes whose pixel data is not compressed."""

TARGETS: Final = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2.4.90",  # JPEG 2000, lossless only
    "1.2.840.10008.1.2.4.80",  # JPEG-LS, lossless
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000, lossless only
    "1.2.840.10008.1.2.5",  # RLE
)
"""Transfer syntaxes that frames are encoded in, none of which loses anything."""

_COMPRESSED = (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)
DECODABLE: Final = NATIVE | {
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{number}" for number in _COMPRESSED),
}
"""Transfer syntaxes whose frames can be decoded."""

DicomJson = Mapping[str, Any]
"""An instance's data set as the DICOM JSON Model has it (PS3.18 F.2)."""


@dataclass(frozen=True, slots=True)
class PixelFacts:
    """The Image Pixel Module, as far as decoding needs it; names as in the standard.

    Attributes:
        is_in_words: The pixel data's VR is OW: of big endian data even single bytes are swapped.
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int
    photometric_interpretation: str
    planar_configuration: int
    is_in_words: bool = False

    @property
    def is_native(self) -> bool:
        """True if frames are not compressed."""
        return self.transfer_syntax_uid in NATIVE

    @property
    def decoded_bytes(self) -> int:
        """Bytes of one frame, decoded."""
        bits = self.rows * self.columns * self.samples_per_pixel * self.bits_allocated
        return (bits + 7) // 8


def values(dataset: DicomJson, tag: str) -> Sequence[Any]:
    """Returns an attribute's values; none if it is absent or empty."""
    return dataset.get(tag, {}).get("Value") or ()


def pixel_facts(dataset: DicomJson, transfer_syntax_uid: str) -> PixelFacts:
    """Reads what describes an instance's pixels.

    Raises:
        Undecodable: Something is missing or impossible, or a frame would be too large.
    """

    def number(tag: str, default: int | None = None) -> int:
        found = values(dataset, tag)
        if not found and default is not None:
            return default
        try:
            return int(found[0])
        except (IndexError, TypeError, ValueError):
            raise Undecodable(f"The instance's attribute {tag} does not say a number.") from None

    bits_allocated = number("00280100")
    facts = PixelFacts(
        transfer_syntax_uid=transfer_syntax_uid,
        rows=number("00280010"),
        columns=number("00280011"),
        samples_per_pixel=number("00280002", 1),
        bits_allocated=bits_allocated,
        bits_stored=number("00280101", bits_allocated),
        pixel_representation=number("00280103", 0),
        photometric_interpretation=str(next(iter(values(dataset, "00280004")), "MONOCHROME2")),
        planar_configuration=number("00280006", 0),
    )
    if min(facts.rows, facts.columns, facts.samples_per_pixel, facts.bits_stored) < 1:
        raise Undecodable("The instance describes an image without pixels.")
    if facts.bits_allocated not in (1, 8, 16, 32, 64) or facts.bits_stored > facts.bits_allocated:
        raise Undecodable("The instance's bits allocated and stored do not go together.")
    if facts.decoded_bytes > DECODED_BYTES_MAX:
        limit = DECODED_BYTES_MAX // 1024**2
        raise Undecodable(
            f"A decoded frame would be longer than {limit} MiB; ask for transfer-syntax=*."
        )
    return facts


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """What a codec's process is told of an instance.

    Attributes:
        metadata: Its DICOM JSON.
        is_in_words: See `PixelFacts`.
    """

    metadata: bytes
    transfer_syntax_uid: str
    is_in_words: bool = False

    def dataset(self) -> DicomJson:
        """Returns the metadata, read."""
        return orjson.loads(self.metadata)

    def facts(self, dataset: DicomJson | None = None) -> PixelFacts:
        """Returns what describes the pixels.

        Args:
            dataset: Where it was read already.

        Raises:
            Undecodable: As `pixel_facts`.
        """
        facts = pixel_facts(dataset or self.dataset(), self.transfer_syntax_uid)
        return replace(facts, is_in_words=self.is_in_words)
