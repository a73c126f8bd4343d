"""What is new to the index: a pack, and the instances that lie in it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from longshore.dicom import Instance

StudyName = tuple[str, int]
"""Study Instance UID and partition; sorts as studies are locked."""
SeriesName = tuple[str, int, str]
"""A study's name and the Series Instance UID."""


@dataclass(frozen=True, slots=True)
class StoreTerms:
    """What a request asks for beyond having its instances stored.

    Attributes:
        replaces: An instance that is stored already is replaced, not a duplicate.
        expires_after_ms: The study is deleted so long after the Store; None: never.
    """

    replaces: bool = False
    expires_after_ms: int | None = None


ORDINARY = StoreTerms()
"""Nothing beyond; what almost every instance has. Told by identity."""


class NewInstance(NamedTuple):
    """An instance that lies in a pack and has no row yet; offsets count the pack's bytes."""

    partition_key: int
    instance: "Instance"
    payload_offset: int
    segment_offset: int
    terms: StoreTerms = ORDINARY

    @property
    def series(self) -> SeriesName:
        """Names its series."""
        instance = self.instance
        return (instance.study_uid, self.partition_key, instance.series_uid)


@dataclass(frozen=True, slots=True)
class NewPack:
    """A pack without a row.

    Attributes:
        length: Bytes of the whole pack.
        dead_count: Entries that are dead already and shall get no row.
    """

    pack_id: str
    length: int
    dead_count: int = 0


def study_of(series: SeriesName) -> StudyName:
    """Returns the name of a series' study."""
    study_uid, partition_key, _ = series
    return (study_uid, partition_key)
