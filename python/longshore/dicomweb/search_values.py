"""From the text of a filter to what is matched (PS3.4 C.2.2.2), by value representation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, TypeVar

from longshore.errors import InvalidRequest
from longshore.index.extended_fold import fold_date_time, fold_double, fold_single, has_offset
from longshore.index.fold import fold_date, fold_time
from longshore.index.search_columns import Matched
from longshore.index.search_match import (
    AllOf,
    AnyOf,
    Empty,
    Exact,
    Match,
    Range,
    Wildcard,
    WordPrefix,
)
from longshore.index.search_tests import name_words

# Stricter than what is read from data sets: the forms of ACR-NEMA are no filters (PS3.5 6.2).
_DATE: Final = re.compile(r"\d{8}", re.ASCII)
_TIME: Final = re.compile(r"\d{2}(?:\d{2}){0,2}|\d{6}\.\d{1,6}", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,12}", re.ASCII)  # IS has 12 characters (PS3.5 6.2)
_WILD: Final = re.compile(r"[*?]")
_EMPTY: Final = '""'
# A backslash is in no value of any VR here, a comma is in no code and no UID (PS3.5 6.2).
_SEPARATORS: Final = {"UI": re.compile(r"[\\,]"), "CS": re.compile(r"[\\,]")}
_SEPARATOR: Final = re.compile(r"\\")

_End = TypeVar("_End", date, datetime, time)


@dataclass(frozen=True, slots=True)
class Matching:
    """The parameters that decide how values are read (PS3.18 8.3.4)."""

    is_fuzzy: bool = False
    has_empty_values: bool = False
    has_multiple_values: bool = False


def parse_match(attribute: Matched, text: str, matching: Matching) -> Match | None:
    """Reads the value of a filter.

    Args:
        attribute: Decides how the text is read.
        text: Without white space around it.
        matching: What was asked beside it.

    Returns:
        None for universal matching: an empty text, or nothing but `*` (PS3.4 C.2.2.2.3).

    Raises:
        InvalidRequest: The text is no value of the attribute's VR. The error names the
            attribute, never the value.
    """
    if not text.strip("*"):
        return None
    text = text.rstrip("\0")  # padding, as some clients copy it from a UID
    if "\0" in text or not text:
        raise invalid(attribute, "a value cannot hold a NUL character")
    if text == _EMPTY and matching.has_empty_values:
        return Empty()
    match attribute.vr:
        case "DA":
            return _exact_or_range(attribute, text, _date)
        case "TM":
            return _exact_or_range(attribute, text, _time)
        case "DT":
            return _exact_or_range(attribute, text, _date_time)
        case "FD" | "FL":
            return Exact(_number(attribute, text))
        case "IS" | "SL" | "SS" | "UL" | "US":
            if not _INTEGER.fullmatch(text):
                raise invalid(attribute, "expected a whole number")
            return Exact(int(text))
        case _:
            return _texts(attribute, text, matching)


def invalid(attribute: Matched, reason: str) -> InvalidRequest:
    """Returns the error that a value cannot be read."""
    return InvalidRequest(
        f"Invalid query: the value of {attribute.keyword} cannot be read: {reason}."
    )


def _texts(attribute: Matched, text: str, matching: Matching) -> Match:
    parts = [part.strip() for part in _SEPARATORS.get(attribute.vr, _SEPARATOR).split(text)]
    matches = tuple(_text(attribute, part, matching) for part in parts if part)
    if not matches:
        raise invalid(attribute, "a list needs at least one value")
    if len(matches) == 1:
        return matches[0]
    if attribute.has_many and matching.has_multiple_values:
        return AllOf(matches)
    return AnyOf(matches)


def _text(attribute: Matched, text: str, matching: Matching) -> Exact | Wildcard | WordPrefix:
    if attribute.vr != "UI" and _WILD.search(text):
        return Wildcard(text)
    if attribute.vr != "PN" or not matching.is_fuzzy:
        return Exact(text)
    if '"' in text:
        raise invalid(attribute, "a quotation mark cannot be matched with fuzzymatching=true")
    words = name_words(text)
    return WordPrefix(words) if words else Exact(text)


def _exact_or_range(attribute: Matched, text: str, parse: Callable[[Matched, str], _End]) -> Match:
    first_text, hyphen, last_text = (part.strip() for part in text.partition("-"))
    if not hyphen:
        return Exact(parse(attribute, first_text))
    first = parse(attribute, first_text) if first_text else None
    last = parse(attribute, last_text) if last_text else None
    if first is None and last is None:
        raise invalid(attribute, "a range needs at least one end: a-b, a- or -b")
    return Range(first, last)


def _date(attribute: Matched, text: str) -> date:
    found = fold_date(text) if _DATE.fullmatch(text) else None
    if found is None:
        raise invalid(attribute, "expected a date as yyyyMMdd, or a range of two")
    return found


def _time(attribute: Matched, text: str) -> time:
    """A time cut short, as `10` or `1030`, means its first instant, as in the model."""
    found = fold_time(text) if _TIME.fullmatch(text) else None
    if found is None:
        raise invalid(attribute, "expected a time as HHmmss.ffffff cut where you like, or a range")
    return found


def _date_time(attribute: Matched, text: str) -> datetime:
    """A date and time cut short means its first instant, as in the model."""
    found = None if has_offset(text) else fold_date_time(text)
    if found is None:
        raise invalid(
            attribute,
            "expected a date and time as yyyyMMddHHmmss.ffffff cut where you like, without an"
            " offset from UTC, or a range",
        )
    return found


def _number(attribute: Matched, text: str) -> float:
    found = fold_single(text) if attribute.vr == "FL" else fold_double(text)
    if found is None:
        raise invalid(attribute, "expected a number")
    return found
