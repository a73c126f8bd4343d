"""The change feed's query parameters, checked. Names in any case; unknown ones are ignored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from longshore.errors import InvalidRequest

_LIMIT_V1_DEFAULT, _LIMIT_V1_MAX = 10, 100
_LIMIT_V2_DEFAULT, _LIMIT_V2_MAX = 100, 200
_OFFSET_MAX = 2**63 - 1  # the model's int64
_INTEGER = re.compile(r"\+?[0-9]{1,19}")
_TIME_MIN = datetime.min.replace(tzinfo=UTC)
_TIME_MAX = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WatermarkPage:
    """A v1 page: the watermarks above `after`, up to and including `after + limit`."""

    after: int
    limit: int
    has_metadata: bool


@dataclass(frozen=True, slots=True)
class TimePage:
    """A v2 page: `limit` rows after the first `skip` of those with start <= time < end (UTC)."""

    start: datetime
    end: datetime
    skip: int
    limit: int
    has_metadata: bool


def watermark_page(query: Mapping[str, str]) -> WatermarkPage:
    """Reads a v1 request.

    Raises:
        InvalidRequest: A value is out of range or unreadable; the text names the parameter.
    """
    values = _by_lower_name(query)
    return WatermarkPage(
        after=_integer(values, "Offset", default=0, low=0, high=_OFFSET_MAX),
        limit=_integer(values, "Limit", default=_LIMIT_V1_DEFAULT, low=1, high=_LIMIT_V1_MAX),
        has_metadata=include_metadata(query),
    )


def time_page(query: Mapping[str, str]) -> TimePage:
    """Reads a v2 request.

    Raises:
        InvalidRequest: A value is out of range or unreadable, a time has no zone, or the window
            is empty.
    """
    values = _by_lower_name(query)
    page = TimePage(
        start=_time(values, "StartTime", default=_TIME_MIN),
        end=_time(values, "EndTime", default=_TIME_MAX),
        skip=_integer(values, "Offset", default=0, low=0, high=_OFFSET_MAX),
        limit=_integer(values, "Limit", default=_LIMIT_V2_DEFAULT, low=1, high=_LIMIT_V2_MAX),
        has_metadata=include_metadata(query),
    )
    if page.end <= page.start:
        raise InvalidRequest(
            f"The start time '{page.start.isoformat()}' must occur strictly before the end time"
            f" '{page.end.isoformat()}'."
        )
    return page


def include_metadata(query: Mapping[str, str]) -> bool:
    """Reads `includeMetadata`, true by default.

    Raises:
        InvalidRequest: It is neither true nor false.
    """
    text = _by_lower_name(query).get("includemetadata", "true").strip().lower()
    if text not in ("true", "false"):
        raise _invalid("IncludeMetadata", "The value must be true or false.")
    return text == "true"


def _by_lower_name(query: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in query.items()}


def _integer(values: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = values.get(name.lower())
    if text is None:
        return default
    number = int(text) if _INTEGER.fullmatch(text.strip()) else low - 1
    if not low <= number <= high:
        raise _invalid(name, f"The value must be an integer between {low} and {high}.")
    return number


def _time(values: Mapping[str, str], name: str, *, default: datetime) -> datetime:
    """Reads a time of ISO 8601 (RFC 3339) with its zone; digits behind microseconds are cut."""
    text = values.get(name.lower())
    if text is None:
        return default
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _invalid(name, "Unable to parse the value as a date and time.") from None
    if time.tzinfo is None:
        raise _invalid(name, "Date and time value must specify a time zone.")
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise _invalid(name, "The value is out of range.") from None


def _invalid(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"The query parameter '{name}' is invalid. {detail}")
