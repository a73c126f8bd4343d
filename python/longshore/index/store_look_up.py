"""How a Store transaction begins: what of a batch is there, and keys for what is not.

From here on no statement looks anything up: what is there is named by its key, and kept; what is
new brings its key along.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from longshore.index import arrays, sql
from longshore.index.arrays import array
from longshore.index.database import Connection
from longshore.index.locks import Lock
from longshore.index.new import NewInstance, SeriesName, StudyName, study_of
from longshore.index.pipeline import Step, run

_SQL = sql.load_prepared("store_look_up.sql")

KEY_BLOCK = 1_024
"""Instance keys come in blocks of so many, as migration 0002 has it: a batch's are consecutive,
and the change feed needs one row for all of them."""

_LOCK = {"tag_lock": int(Lock.STORES)}
_BEGIN = Step(sql.prepared("begin", "BEGIN"))

_Name = TypeVar("_Name", StudyName, SeriesName)


class GoneError(Exception):
    """What was found may be deleted again."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the index says of a batch.

    Attributes:
        existing: 0-based positions of entries that are stored already.
        studies, series: Keys by name of those that are there.
        new_studies, new_series: Keys for those that are not.
        blocks: n first keys of blocks of `KEY_BLOCK` for instances; enough for all entries.
        expiring: Keys of those studies that will expire.
        tag_version: Of the extended query tags; 0 if there never were any.
    """

    existing: frozenset[int]
    studies: Mapping[StudyName, int]
    new_studies: Mapping[StudyName, int]
    series: Mapping[SeriesName, int]
    new_series: Mapping[SeriesName, int]
    pack_key: int
    blocks: Sequence[int]
    expiring: frozenset[int]
    tag_version: int


async def look_up(
    connection: Connection,
    entries: Sequence[NewInstance],
    in_uid_order: Sequence[int],
    *,
    is_replacing: bool = False,
    is_begun: bool = False,
) -> Found:
    """Begins a transaction and looks a batch up in it, in one round trip.

    The studies found are kept until the transaction ends, and with them their series. Keys that
    are not used are lost, which costs nothing.

    Args:
        in_uid_order: 0-based positions of the entries to look up, each instance once.
        is_replacing: What is stored may be replaced: nobody else may use the studies meanwhile.
        is_begun: The transaction was begun by an earlier call.

    Raises:
        GoneError: A study came while we looked, so that it is not kept. Look again.
    """
    named = [entries[position].series for position in in_uid_order]
    series = {name: at for at, name in enumerate(dict.fromkeys(named), 1)}
    studies = {name: at for at, name in enumerate(dict.fromkeys(map(study_of, series)), 1)}
    counts = Counter(partition_key for _, partition_key, _ in named)
    parameters = {
        "study_uids": array([study_uid for study_uid, _ in studies]),
        "partition_keys": array([partition_key for _, partition_key in studies]),
        "series_uids": array([series_uid for _, _, series_uid in series]),
        "series_study_positions": array([studies[study_of(name)] for name in series]),
        "sop_instance_uids": array([entries[at].instance.sop_instance_uid for at in in_uid_order]),
        "instance_series_positions": array([series[name] for name in named]),
        "block_count": sum(-(-count // KEY_BLOCK) for count in counts.values()),
    }
    keep = _SQL["lock_studies"] if is_replacing else _SQL["keep_studies"]
    begin = [] if is_begun else [_BEGIN, Step(_SQL["plan_as_if_large"], _LOCK)]
    steps = [*begin, Step(keep, parameters), Step(_SQL["look_up"], parameters)]
    *_, kept, [row] = await run(connection, steps)
    found = _by_name(studies, row[0])
    if len(kept) < len(found):
        raise GoneError
    return Found(
        existing=frozenset(in_uid_order[position - 1] for position in arrays.integers(row[4])),
        studies=found,
        new_studies=_by_name(studies, row[1]),
        series=_by_name(series, row[2]),
        new_series=_by_name(series, row[3]),
        pack_key=int(row[5] or 0),
        blocks=arrays.integers(row[6]),
        expiring=frozenset(int(key or 0) for key, is_expiring in kept if is_expiring == b"t"),
        tag_version=int(row[7] or 0),
    )


def _by_name(names: Mapping[_Name, int], keys: bytes | None) -> dict[_Name, int]:
    pairs = zip(names, arrays.optional_integers(keys), strict=True)
    return {name: key for name, key in pairs if key is not None}
