"""Accept and Content-Type, read leniently (RFC 9110 12.5.1; PS3.18 8.3.3.1 and 8.7.5).

Grammar only, plus the questions every route asks (DICOM JSON? gzip?). What can be served for which
range is `negotiation`'s business.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.requests import Request

from longshore.dicomweb.origin import origin_of
from longshore.errors import InvalidRequest, NotAcceptable, UnsupportedMediaType

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
JSON = "application/json"
OCTET_STREAM = "application/octet-stream"
RELATED = "multipart/related"
ZIP = "application/zip"
METADATA_TYPES = (DICOM_JSON, JSON, DICOM_XML)
"""Of metadata that a Store brings; dcm4che says `application/json`."""

ACCEPT_CHARACTERS_MAX = 8 * 1024  # the longest seen from a viewer is under 1 KiB
ACCEPT_COUNT_CACHED = 256  # a client sends the same with every request
CONTENT_TYPE_CHARACTERS_MAX = 1024  # a boundary has at most 256

# A quoted string (its end may be missing), or a run of anything but the delimiters.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[^",;]+|[,;]', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One member of an Accept list.

    Attributes:
        media_type: Lower case, `*/*` for the bare star that some clients send.
        parameters: (name in lower case, value without quotes), as sent: a name may come twice.
        quality: 0.0 to 1.0; 1.0 if absent or unreadable.
    """

    media_type: str
    parameters: tuple[tuple[str, str], ...]
    quality: float

    def values(self, name: str) -> tuple[str, ...]:
        """Returns every non-empty value of a parameter, in order; () if it was not given."""
        return tuple(value for key, value in self.parameters if key == name and value)

    def covers(self, media_type: str) -> bool:
        """Tells whether the range is the media type itself or a wildcard above it."""
        return self.media_type in ("*/*", media_type, f"{media_type.partition('/')[0]}/*")


def parse_accept(text: str) -> list[MediaRange]:
    """Returns the ranges of an Accept value by falling quality, equal ones in the order sent.

    Ranges with quality 0 are left out; so are members that are no media range at all.

    Raises:
        NotAcceptable: The text is longer than `ACCEPT_CHARACTERS_MAX`.
    """
    if len(text) > ACCEPT_CHARACTERS_MAX:
        raise NotAcceptable(f"Accept is longer than {ACCEPT_CHARACTERS_MAX} characters.")
    ranges = [_range(member) for member in _members(text)]
    accepted = [each for each in ranges if each is not None and each.quality > 0]
    return sorted(accepted, key=lambda each: -each.quality)


def accepted(request: Request) -> Sequence[MediaRange]:
    """Returns what the request accepts, best first. Empty means: anything.

    The `accept` query parameter outranks the header, which a browser fills in on its own
    (PS3.18 8.3.3.1). A `+` that was not written `%2B` arrives as a space and is meant as a plus.

    Raises:
        NotAcceptable: Nothing is said, and the service is strict (PS3.18 8.7.5).
    """
    query = ",".join(request.query_params.getlist("accept"))
    if query.strip():
        return _all_or_nothing(query.replace("application/dicom ", "application/dicom+"))
    header = ",".join(request.headers.getlist("accept"))
    if not header.strip() and origin_of(request).is_accept_strict:
        raise NotAcceptable("The request headers are not acceptable: Accept is missing.")
    return _all_or_nothing(header)


def dicom_json_or_xml(request: Request, *, in_parts: bool = False) -> str:
    """Returns the media type of an answer that is a data set, or n: `DICOM_JSON` or `DICOM_XML`.

    JSON, unless XML is asked for by name and preferred: whoever takes anything gets the default
    (PS3.18 8.7.3.2).

    Args:
        in_parts: XML is served as multipart/related, and may be asked for as such.

    Raises:
        NotAcceptable: Neither is accepted.
    """
    ranges = accepted(request)
    if in_parts:
        ranges = [_of_parts(each) for each in ranges]
    if not ranges:
        return DICOM_JSON
    json_quality = max(_quality_of(ranges, DICOM_JSON), _quality_of(ranges, JSON))
    xml_quality = _quality_of(ranges, DICOM_XML)
    if max(json_quality, xml_quality) == 0:
        raise NotAcceptable(f"The answer is served as {DICOM_JSON} or {DICOM_XML} only.")
    return DICOM_XML if xml_quality > json_quality else DICOM_JSON


def _of_parts(media_range: MediaRange) -> MediaRange:
    """Returns the range of the parts where it is a multipart of XML; any other as it is."""
    types = [value.lower() for value in media_range.values("type")]
    if media_range.media_type != RELATED or DICOM_XML not in types:
        return media_range
    return MediaRange(DICOM_XML, (), media_range.quality)


def _quality_of(ranges: Sequence[MediaRange], media_type: str) -> float:
    """Returns the quality by the most specific range (RFC 9110 12.5.1); 0 without one."""
    covering = [each for each in ranges if each.covers(media_type)]
    specific = max(covering, key=lambda each: -each.media_type.count("*"), default=None)
    return specific.quality if specific is not None else 0.0


@dataclass(frozen=True, slots=True)
class StoreContent:
    """The form of a Store request's body.

    Attributes:
        boundary: Of a multipart body; None if the body is one Part 10 file.
        root_type: The `type` parameter, lower case, which the first part inherits.
    """

    boundary: bytes | None
    root_type: str | None

    @property
    def is_metadata(self) -> bool:
        """True if metadata and bulkdata come in parts of their own."""
        return self.root_type in METADATA_TYPES


def store_content(request: Request) -> StoreContent:
    """Reads the Content-Type of a Store request (PS3.18 10.5.1).

    Raises:
        InvalidRequest: The root is said to be another part than the first.
        UnsupportedMediaType: The body is neither multipart nor one Part 10 file.
    """
    text = ",".join(request.headers.getlist("content-type"))[:CONTENT_TYPE_CHARACTERS_MAX]
    media_type, parameters = media_type_of(text)
    if media_type == DICOM:
        return StoreContent(None, None)
    root_type = parameters.get("type", "").lower() or None
    if media_type != RELATED or root_type not in (None, DICOM, *METADATA_TYPES):
        raise UnsupportedMediaType(f"The specified content type '{text}' is not supported.")
    if not parameters.get("boundary"):
        raise UnsupportedMediaType(
            f"The content type '{text}' is either not multipart or is missing boundary."
        )
    if "start" in parameters:
        raise InvalidRequest("The start parameter in multipart/related request is not supported.")
    try:
        return StoreContent(parameters["boundary"].encode("ascii"), root_type)
    except UnicodeEncodeError:
        raise InvalidRequest("The boundary must be of printable ASCII characters.") from None


def media_type_of(header: str) -> tuple[str, dict[str, str]]:
    """Reads a Content-Type: the media type in lower case, and its parameters, the first of each."""
    media_type, *pieces = next(_members(header[:CONTENT_TYPE_CHARACTERS_MAX]))
    return media_type.strip().lower(), dict(reversed(_parameters(pieces)))


@lru_cache(maxsize=ACCEPT_COUNT_CACHED)
def accepts_gzip(accept_encoding: str | None) -> bool:
    """Tells whether a content coding of gzip may be used (RFC 9110 12.5.3)."""
    qualities: dict[str, float] = {}
    for member in _members((accept_encoding or "")[:ACCEPT_CHARACTERS_MAX]):
        coding, parameters = member[0].strip().lower(), _parameters(member[1:])
        qualities[coding] = _quality(dict(parameters).get("q"))
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


@lru_cache(maxsize=ACCEPT_COUNT_CACHED)
def _all_or_nothing(text: str) -> Sequence[MediaRange]:
    """Parses; text that says something, but nothing acceptable, must not come to mean "anything".

    Raises:
        NotAcceptable: Every member has quality 0 or is unreadable.
    """
    ranges = parse_accept(text)
    if text.strip(" \t,;") and not ranges:
        raise NotAcceptable("Accept names no media type that may be served.")
    return ranges


def _members(text: str) -> Iterator[list[str]]:
    """Yields each list member as its `;`-separated pieces; quoted delimiters delimit nothing."""
    pieces = [""]
    for piece in _TOKENS.findall(text):
        if piece == ",":
            yield pieces
            pieces = [""]
        elif piece == ";":
            pieces.append("")
        else:
            pieces[-1] += piece
    yield pieces


def _range(pieces: list[str]) -> MediaRange | None:
    media_type = pieces[0].strip().lower()
    if media_type == "*":
        media_type = "*/*"
    if media_type.count("/") != 1:
        return None
    parameters = _parameters(pieces[1:])
    quality = next((value for name, value in parameters if name == "q"), None)
    kept = tuple((name, value) for name, value in parameters if name != "q")
    return MediaRange(media_type, kept, _quality(quality))


def _parameters(pieces: list[str]) -> list[tuple[str, str]]:
    split = (piece.partition("=") for piece in pieces)
    return [(name.strip().lower(), _unquoted(value.strip())) for name, _, value in split]


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    inner = value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:]
    return _QUOTED_PAIR.sub(r"\1", inner)


def _quality(text: str | None) -> float:
    if text is None or not re.fullmatch(r"[01]?(?:\.[0-9]{0,6})?", text) or text in ("", "."):
        return 1.0
    return min(float(text), 1.0)
