"""From the text of a filter to what is matched (PS3.4 C.2.2.2), by value representation.

Wildcards and UID lists are literal text here, and empty values are refused, as in the model.
"""

import re
from collections.abc import Callable
from datetime import date, time
from typing import Final, TypeVar

from longshore.errors import InvalidRequest
from longshore.index.fold import fold_date, fold_time
from longshore.index.search_columns import Matched, name_words
from longshore.index.search_match import Exact, Match, Range, WordPrefix

# Stricter than what is read from data sets: the forms of ACR-NEMA are no filters (PS3.5 6.2).
_DATE: Final = re.compile(r"\d{8}", re.ASCII)
_TIME: Final = re.compile(r"\d{2}(?:\d{2}){0,2}|\d{6}\.\d{1,6}", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,12}", re.ASCII)  # IS has 12 characters (PS3.5 6.2)

_End = TypeVar("_End", date, time)


def parse_match(attribute: Matched, text: str, *, is_fuzzy: bool) -> Match:
    """Reads the value of a filter.

    Args:
        attribute: Decides how the text is read.
        text: Not empty, without white space around it.
        is_fuzzy: `fuzzymatching=true`: names are found by the beginning of a word.

    Raises:
        InvalidRequest: The text is no value of the attribute's VR. The error names the
            attribute, never the value.
    """
    text = text.rstrip("\0")  # padding, as some clients copy it from a UID
    if "\0" in text or not text:
        raise _invalid(attribute, "a value cannot hold a NUL character")
    match attribute.vr:
        case "DA":
            return _exact_or_range(attribute, text, _date)
        case "TM":
            return _exact_or_range(attribute, text, _time)
        case "IS" | "US":
            if not _INTEGER.fullmatch(text):
                raise _invalid(attribute, "expected a whole number")
            return Exact(int(text))
        case "PN" if is_fuzzy:
            return _word_prefix(attribute, text)
        case _:
            return Exact(text)


def _word_prefix(attribute: Matched, text: str) -> Match:
    if '"' in text:
        raise _invalid(attribute, "a quotation mark cannot be matched with fuzzymatching=true")
    words = name_words(text)
    return WordPrefix(words) if words else Exact(text)


def _exact_or_range(attribute: Matched, text: str, parse: Callable[[Matched, str], _End]) -> Match:
    first_text, hyphen, last_text = (part.strip() for part in text.partition("-"))
    if not hyphen:
        return Exact(parse(attribute, first_text))
    first = parse(attribute, first_text) if first_text else None
    last = parse(attribute, last_text) if last_text else None
    if first is None and last is None:
        raise _invalid(attribute, "a range needs at least one end: a-b, a- or -b")
    if first is not None and last is not None and first > last:
        raise _invalid(attribute, "the range ends before it begins")
    return Range(first, last)


def _date(attribute: Matched, text: str) -> date:
    found = fold_date(text) if _DATE.fullmatch(text) else None
    if found is None:
        raise _invalid(attribute, "expected a date as yyyyMMdd, or a range of two")
    return found


def _time(attribute: Matched, text: str) -> time:
    """A time cut short, as `10` or `1030`, means its first instant, as in the model."""
    found = fold_time(text) if _TIME.fullmatch(text) else None
    if found is None:
        raise _invalid(attribute, "expected a time as HHmmss.ffffff cut where you like, or a range")
    return found


def _invalid(attribute: Matched, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid query: the value of {attribute.keyword} cannot be read: {reason}."
    )
