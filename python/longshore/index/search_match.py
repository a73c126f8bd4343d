"""What a Search asks of one attribute (PS3.4 C.2.2.2), as values. Knows no SQL and no URL."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import TypeAlias


class Level(StrEnum):
    """Query/Retrieve Level (PS3.4 C.6), as `longshore.dicom.ATTRIBUTES` spells it."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


# What is searched for is an attribute value: it stays out of every repr.
@dataclass(frozen=True, slots=True)
class Exact:
    """Single value matching (PS3.4 C.2.2.2.1).

    Attributes:
        value: Text as the user agent sent it, for every VR but those of
            numbers (int, float), of dates and of times.
    """

    value: str | int | float | date | time = field(repr=False)


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching (PS3.4 C.2.2.2.5): both ends belong to it, at least one is given.

    Attributes:
        first: Earliest, or None for no lower end.
        last: Latest, not before `first`, or None for no upper end.
    """

    first: date | time | None = field(repr=False)
    last: date | time | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class WordPrefix:
    """Fuzzy matching of a PN: a word of the name, and what follows it, begins with the text.

    Attributes:
        words: At least one; all but the last are whole words, in the name's order.
    """

    words: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild card matching (PS3.4 C.2.2.2.4) of a text.

    Attributes:
        pattern: `*` stands for any characters or none, `?` for one.
    """

    pattern: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Empty:
    """Empty value matching (PS3.4 C.2.2.2.7): the attribute is absent or has no value."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """List of UID matching (PS3.4 C.2.2.2.2), and the same for texts: one of them is met.

    Attributes:
        matches: At least one.
    """

    matches: tuple["Exact | Wildcard | WordPrefix", ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Multiple value matching (PS3.4 C.2.2.2.8): each is met by one of the values.

    Attributes:
        matches: At least one.
    """

    matches: tuple["Exact | Wildcard | WordPrefix", ...]


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Range matching of a date and a time that are one moment (PS3.4 C.2.2.2.5).

    Attributes:
        first: Earliest, or None for no lower end; without a time zone, as stored.
        last: Latest, not before `first`, or None; at least one is given.
    """

    first: datetime | None = field(repr=False)
    last: datetime | None = field(repr=False)


Match: TypeAlias = Exact | Range | Wildcard | WordPrefix | Empty | AnyOf | AllOf
"""What one attribute must meet."""
