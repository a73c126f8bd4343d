"""Transfer syntaxes as media types name them (PS3.18 Tables 8.7.3-2, 8.7.3-4 and 8.7.3-5)."""

from collections.abc import Iterable, Sequence

from longshore.codecs.facts import DECODABLE, TARGETS
from longshore.dicomweb.media_types import DICOM, OCTET_STREAM

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
LITTLE_ENDIAN = frozenset((IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED_LITTLE_ENDIAN))
"""In which native pixel data have the same bytes."""
ANY = "*"

_BY_MEDIA_TYPE = {
    "image/dicom-rle": ("1.2.840.10008.1.2.5",),
    "image/jpeg": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70)),
    "image/jls": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81)),
    "image/jp2": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91)),
    "image/jpx": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (92, 93)),
    "image/jxl": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)),
    "image/jphc": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)),
    "video/mpeg": tuple(f"1.2.840.10008.1.2.4.{n}" for n in ("100", "100.1", "101", "101.1")),
    "video/mp4": tuple(
        f"1.2.840.10008.1.2.4.{n}"
        for n in ("102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1")
    ),
    "video/h265": tuple(f"1.2.840.10008.1.2.4.{n}" for n in (107, 108)),
}
VIDEO_TYPES = tuple(each for each in _BY_MEDIA_TYPE if each.startswith("video/"))
"""Media types whose single frame is a whole video."""
_JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
_JPEG_PROCESSES = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: "1.2.840.10008.1.2.4.51",
    0xC3: _JPEG_LOSSLESS,
}
_DEFAULT = {
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/h265": "1.2.840.10008.1.2.4.107",
}
_MEDIA_TYPE = {uid: media_type for media_type, uids in _BY_MEDIA_TYPE.items() for uid in uids}
# Names from before the registrations, still sent by viewers.
_OLD_NAMES = {"image/x-jls": "image/jls", "image/x-dicom-rle": "image/dicom-rle"}


def media_type_of(transfer_syntax_uid: str) -> str | None:
    """Returns the media type of a compressed frame, or None for native pixel data."""
    return _MEDIA_TYPE.get(transfer_syntax_uid)


def transfer_syntax_of(media_type: str, content: bytes) -> str | None:
    """Returns the transfer syntax of a frame whose media type does not say it (Table 8.7.3-5).

    The default of the media type; of a JPEG, its own word for its process, since many say
    `image/jpeg` of one that is not lossless.
    """
    if media_type == "image/jpeg":
        return _jpeg_process(content)
    return _DEFAULT.get(media_type)


def _jpeg_process(content: bytes) -> str:
    """Reads the markers up to the start of the frame (ITU-T T.81 B.1.1.3)."""
    at = 2
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker = content[at + 1]
        if marker in _JPEG_PROCESSES:
            return _JPEG_PROCESSES[marker]
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return _JPEG_LOSSLESS


def current_name(media_type: str) -> str:
    """Returns the registered name of a media type that has an older one."""
    return _OLD_NAMES.get(media_type, media_type)


def served_frame_syntax(transfer_syntax_uid: str) -> str:
    """Returns the transfer syntax that describes a frame taken out of its data set.

    Implicit, explicit and deflated little endian differ around the pixel data only, so a native
    frame's bytes are the same; Explicit is what user agents know (PS3.18 8.7.3.3.2).
    """
    if transfer_syntax_uid in LITTLE_ENDIAN:
        return EXPLICIT_LITTLE_ENDIAN
    return transfer_syntax_uid


def reachable(asked: Sequence[str], media_type: str, transfer_syntax_uid: str) -> str | None:
    """Returns the transfer syntax that a frame or instance is transcoded to; None if to none.

    Args:
        asked: n `transfer-syntax` values, as sent; the first that can be reached is taken.
        media_type: Of the part, which says a transfer syntax where none is asked for (Tables
            8.7.3-2 and 8.7.3-5).
        transfer_syntax_uid: As stored.
    """
    if transfer_syntax_uid not in DECODABLE:
        return None
    default = _DEFAULT.get(media_type, EXPLICIT_LITTLE_ENDIAN)
    for value in asked or (default,):
        # A media type among them stands for its default.
        uid = _DEFAULT.get(current_name(value.lower()), value)
        if uid in TARGETS and media_type in (OCTET_STREAM, DICOM, media_type_of(uid)):
            return uid
    return None


def admits(asked: Iterable[str], transfer_syntax_uid: str) -> bool:
    """Tells whether n `transfer-syntax` values, as sent, admit a transfer syntax.

    No value means that the server may choose; several mean "one of these". A media type among
    them stands for its transfer syntaxes.
    """
    values = list(asked)
    return not values or any(
        value in (ANY, transfer_syntax_uid)
        or transfer_syntax_uid in _BY_MEDIA_TYPE.get(current_name(value.lower()), ())
        for value in values
    )
