"""The statements of one Store transaction, made of values that are all known."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from longshore.index import sql
from longshore.index.new import (
    ORDINARY,
    NewInstance,
    NewPack,
    SeriesName,
    StudyName,
    study_of,
)
from longshore.index.pipeline import Step
from longshore.index.rows import (
    SERIES_PARAMETERS,
    STUDY_PARAMETERS,
    Merged,
    Row,
    columns,
    instance_columns,
    series_row,
    study_row,
)
from longshore.index.store_look_up import KEY_BLOCK, Found

_SQL = sql.load_prepared("store.sql")

ROWS_PER_TURN = 50
"""Instances that are made ready to send, some 5 µs each, before other requests get their turn."""


class Run(NamedTuple):
    """Changes of one partition that follow one another, as do their instances' keys."""

    last_key: int
    partition_key: int
    length: int


class StoreSteps:
    """The statements, in their order: `add`, `add_instances`, then `merge`, `expire`, `append`."""

    def __init__(
        self, pack: NewPack, entries: Sequence[NewInstance], new: Sequence[int], found: Found
    ) -> None:
        """Takes what there is to store.

        Args:
            new: 0-based positions of the entries to store, in UID order.
        """
        self._pack = pack
        self._entries = entries
        self._new = new
        self._found = found
        self._studies: dict[StudyName, Merged] = {}
        self._series: dict[SeriesName, Merged] = {}
        self._series_keys = {**found.series, **found.new_series}
        self._study_keys = {**found.studies, **found.new_studies}
        self._instance_keys = self._keys_by_position()
        for position in new:
            name = entries[position].series
            if name not in self._series:
                self._series[name] = Merged()
                self._studies.setdefault(study_of(name), Merged())
        before = None
        for position in sorted(new):
            self._merge(entries[position], before)
            before = entries[position]

    def _merge(self, entry: NewInstance, before: NewInstance | None) -> None:
        name, instance = entry.series, entry.instance
        study, series = self._studies[study_of(name)], self._series[name]
        # True of almost all, and costs a tenth of the rest.
        if (
            before is not None
            and before.partition_key == entry.partition_key
            and instance.describes_as(before.instance)
        ):
            study.add_same()
            series.add_same()
            return
        study.add(instance.study_values, instance.study_json)
        series.add(instance.series_values, instance.series_json)

    def add(self) -> Iterator[Step]:
        """Yields what adds new studies, new series and the pack."""
        if rows := self._study_rows(self._found.new_studies):
            yield Step(_SQL["insert_studies"], columns(STUDY_PARAMETERS, rows))
        if rows := self._series_rows(self._found.new_series):
            yield Step(_SQL["insert_series"], columns(SERIES_PARAMETERS, rows))
        parameters = {
            "pack_key": self._found.pack_key,
            "pack_id": self._pack.pack_id,
            "pack_length": self._pack.length,
            "live_bytes": sum(self._entries[at].instance.length for at in self._new),
            "entry_count": len(self._entries) + self._pack.dead_count,
            "live_count": len(self._new),
        }
        yield Step(_SQL["insert_pack"], parameters)

    def add_instances(self, uid_keys: Mapping[str, int]) -> Iterator[Step]:
        """Yields what adds the instances, `ROWS_PER_TURN` at a time.

        Args:
            uid_keys: Keys of their SOP classes and transfer syntaxes.
        """
        for first in range(0, len(self._new), ROWS_PER_TURN):
            positions = self._new[first : first + ROWS_PER_TURN]
            entries = [self._entries[position] for position in positions]
            parameters = instance_columns(
                [self._instance_keys[position] for position in positions],
                [self._series_keys[entry.series] for entry in entries],
                entries,
                uid_keys,
            )
            yield Step(_SQL["insert_instances"], {**parameters, "pack_key": self._found.pack_key})

    def merge(self) -> Iterator[Step]:
        """Yields what brings studies and series up to date that were there before."""
        if rows := self._study_rows(self._found.studies):
            parameters = columns(STUDY_PARAMETERS, rows)
            if len(rows) > 1:
                yield Step(_SQL["lock_changed_studies"], parameters)
            yield Step(_SQL["merge_studies"], parameters)
        if rows := self._series_rows(self._found.series):
            parameters = columns(SERIES_PARAMETERS, rows)
            if len(rows) > 1:
                yield Step(_SQL["lock_series"], parameters)
            yield Step(_SQL["merge_series"], parameters)

    def expire(self) -> Iterator[Step]:
        """Yields what says when studies expire, where one of them does or did."""
        expiring = self._found.expiring
        if not expiring and all(self._entries[at].terms is ORDINARY for at in self._new):
            return
        new = [self._entries[position] for position in sorted(self._new)]
        said = {study_of(entry.series): entry.terms.expires_after_ms for entry in new}
        keys = {**self._found.studies, **self._found.new_studies}
        changed = [
            (keys[name], after_ms)
            for name, after_ms in sorted(said.items())
            if after_ms is not None or keys[name] in expiring
        ]
        if changed:
            names = ("expiring_study_keys", "expire_after_ms")
            yield Step(_SQL["set_expiry"], columns(names, changed))

    def append(self) -> Step:
        """Returns what appends the changes; it locks the feed's counter to the end."""
        runs = list(self._runs())
        parameters = columns(("run_last_keys", "run_partition_keys", "run_lengths"), runs)
        return Step(_SQL["append_creations"], {**parameters, "change_count": len(self._new)})

    def owner_keys(self, position: int) -> tuple[int, int, int]:
        """Returns the keys of an entry's study, of its series and of itself."""
        name = self._entries[position].series
        study_key = self._study_keys[study_of(name)]
        return study_key, self._series_keys[name], self._instance_keys[position]

    def _study_rows(self, keys: Mapping[StudyName, int]) -> list[Row]:
        return [
            study_row(keys[name], name[1], name[0], merged)
            for name, merged in self._studies.items()
            if name in keys
        ]

    def _series_rows(self, keys: Mapping[SeriesName, int]) -> list[Row]:
        return [
            series_row(keys[name], self._study_keys[study_of(name)], name[2], merged)
            for name, merged in self._series.items()
            if name in keys
        ]

    def _runs(self) -> Iterator[Run]:
        for first_key, positions in self._blocks():
            partition_key = self._entries[positions[0]].partition_key
            yield Run(first_key + len(positions) - 1, partition_key, len(positions))

    def _keys_by_position(self) -> dict[int, int]:
        """Returns keys by position: in each partition they ascend as the pack does."""
        return {
            position: first_key + at
            for first_key, positions in self._blocks()
            for at, position in enumerate(positions)
        }

    def _blocks(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Yields first keys and the positions that get a block's keys, all of one partition."""
        by_partition: dict[int, list[int]] = {}
        for position in sorted(self._new):
            partition_key = self._entries[position].partition_key
            by_partition.setdefault(partition_key, []).append(position)
        blocks = iter(self._found.blocks)
        for positions in by_partition.values():
            for first in range(0, len(positions), KEY_BLOCK):
                yield next(blocks), positions[first : first + KEY_BLOCK]
