"""What instances have in extended query tags, as rows: read from their DICOM JSON, typed by VR.

Only the first value counts, and an empty one is none (the model's).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import orjson

from longshore.dicom import ExtendedTags, Instance, strict_fault
from longshore.index import sql
from longshore.index.database import Connection, Database
from longshore.index.extended_fold import fold_date_time, fold_double, fold_single, fold_whole
from longshore.index.extended_tags import ExtendedTag, tags_of_version
from longshore.index.fold import fold, fold_date, fold_name, fold_time
from longshore.index.new import NewInstance
from longshore.index.pipeline import Step
from longshore.index.rows import columns

_SQL = sql.load_prepared("extended_values.sql")

Element = Mapping[str, Any]
"""One attribute in DICOM JSON."""
OwnerKeys = Callable[[int], tuple[int, int, int]]

_OWNERS: Final = ("study", "series", "instance")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_BINARY: Final = frozenset({"FD", "FL", "SL", "SS", "UL", "US"})
ROWS_PER_TURN: Final = 50
"""Instances that are looked at, some 5 µs for each tag, before other requests get their turn."""


class Column(NamedTuple):
    """Where values of a VR are kept, and the match key of a text.

    Attributes:
        name: In the table.
        fold: The match key; None for what is none.
    """

    name: str
    fold: Callable[[str], Any]


_NAMES: Final = (
    "text_value",
    "name_value",
    "integer_value",
    "double_value",
    "date_value",
    "time_value",
    "datetime_value",
)
PARAMETERS: Final = (
    "value_tag_keys",
    "value_owner_keys",
    "value_instance_keys",
    *(f"{name}s" for name in _NAMES),
)
COLUMNS: Final[Mapping[str, Column]] = {
    **dict.fromkeys(("AE", "AS", "CS", "LO", "SH", "UI"), Column("text_value", fold)),
    "PN": Column("name_value", fold_name),
    "DA": Column("date_value", fold_date),
    "TM": Column("time_value", fold_time),
    "DT": Column("datetime_value", fold_date_time),
    **dict.fromkeys(("IS", "SL", "SS", "UL", "US"), Column("integer_value", fold_whole)),
    "FD": Column("double_value", fold_double),
    "FL": Column("double_value", fold_single),
}
"""By the VRs that an extended query tag may have (the model's)."""


class ValueRow(NamedTuple):
    """A row of `extended_value`; sorts by its key.

    Attributes:
        typed: One for each typed column, in the table's order; all but one are None.
    """

    tag_key: int
    owner_key: int
    instance_key: int
    typed: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class StoreValues:
    """The rows of one batch."""

    of_instances: list[ValueRow] = field(default_factory=list[ValueRow])
    of_owners: dict[tuple[int, int], ValueRow] = field(
        default_factory=dict[tuple[int, int], ValueRow]
    )

    def take(self, row: ValueRow, level: str) -> None:
        """Takes one more; those of a study or a series come with the highest instance key last."""
        if level == "instance":
            self.of_instances.append(row)
        else:
            self.of_owners[row.tag_key, row.owner_key] = row

    def add(self) -> Iterator[Step]:
        """Yields what adds the rows that nobody else may hold."""
        return insert_steps(self.of_instances)

    def merge(self) -> Iterator[Step]:
        """Yields what adds the rows of studies and series, which other Stores may change too."""
        return insert_steps(list(self.of_owners.values()))


def insert_steps(rows: Sequence[ValueRow]) -> Iterator[Step]:
    """Yields what adds rows; nothing if there are none."""
    if rows:
        ordered = sorted(rows, key=lambda row: row[:2])
        flat = [(*row[:3], *row.typed) for row in ordered]
        yield Step(_SQL["insert_values"], columns(PARAMETERS, flat))


async def values_of_batch(
    database: Database,
    connection: Connection,
    version: int,
    entries: Sequence[NewInstance],
    new: Sequence[int],
    owner_keys: OwnerKeys,
) -> StoreValues:
    """Returns the rows of a batch; costs nothing if there never was a tag.

    Args:
        version: Of the tags, as the transaction sees them. Instances that were read under another
            one are read anew.
        new: 0-based positions of the entries that are stored.
        owner_keys: Gives the keys of an entry's study, series and instance.
    """
    values = StoreValues()
    if version == 0:
        return values
    tags = await tags_of_version(database, connection, version)
    if not tags.tags:
        return values
    positions = sorted(new)
    instances = [entries[position].instance for position in positions]
    if any(each.extended_version != tags.version for each in instances):
        found = await asyncio.to_thread(_read_anew, tags.finder, instances)
    else:
        found = [each.extended_json for each in instances]
    for at, (position, json) in enumerate(zip(positions, found, strict=True)):
        if json is not None:
            keys = owner_keys(position)
            for tag, element in zip(tags.tags, orjson.loads(json), strict=True):
                row = None if element is None else value_row(tag, element, keys)
                if row is not None:
                    values.take(row, tag.level)
        if at % ROWS_PER_TURN == ROWS_PER_TURN - 1:
            await asyncio.sleep(0)
    return values


def _read_anew(finder: ExtendedTags, instances: Sequence[Instance]) -> list[bytes | None]:
    """Finds the tags in metadata that lies in memory, since the list has changed meanwhile."""
    return [
        finder.read(
            each.pack_entry.segment,
            plain_length=each.segment_plain_length,
            crc32=each.segment_crc32,
        )
        if each.extended_version != finder.version
        else each.extended_json
        for each in instances
    ]


def value_row(tag: ExtendedTag, element: Element, keys: tuple[int, int, int]) -> ValueRow | None:
    """Returns the row of an instance's element; None if it has no value that can be kept."""
    text = first_text(element)
    if text is None or element["vr"] != tag.vr:
        return None
    column = COLUMNS[tag.vr]
    value = column.fold(text)
    if value is None:
        return None
    typed = tuple(value if name == column.name else None for name in _NAMES)
    return ValueRow(tag.tag_key, keys[_OWNERS.index(tag.level)], keys[2], typed)


def fault_of(tag: ExtendedTag, element: Element) -> str | None:
    """Returns why an element cannot be indexed, or None; the text holds no value."""
    if element["vr"] != tag.vr:
        return (
            f"The extended query tag '{tag.path}' is expected to have VR '{tag.vr}' but has"
            f" '{element['vr']}' in file."
        )
    text = first_text(element)
    return None if text is None or tag.vr in _BINARY else strict_fault(tag.vr, text)


def first_text(element: Element) -> str | None:
    """Returns the first value as the file had it; None if it is empty."""
    values = element.get("Value") or [None]
    first = values[0]
    if isinstance(first, dict):
        name = cast("Mapping[str, str]", first)
        first = "=".join(name.get(group, "") for group in _GROUPS).rstrip("=")
    return None if first is None or first == "" else str(first)
