"""An index that is a list, over blobs in memory: for rules of HTTP, not of SQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longshore.errors import NotFound
from longshore.index.locate import Located
from tests.dicomweb.packs import MemoryBlobs, Stored, pack


@dataclass
class Shelf:
    """What is stored, and the doors to it."""

    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)
    located: list[Located] = field(default_factory=list)
    locate_count: int = 0
    dead: list[Any] = field(default_factory=list)
    is_database_up: bool = True

    def store(self, *stored: Stored, name: str | None = None) -> list[Located]:
        """Packs instances together, as one batch."""
        name = name or f"packs/00/{len(self.blobs.contents)}.zip"
        new = pack(self.blobs, name, stored, first_key=len(self.located) + 1)
        self.located += new
        return new

    async def locate(
        self,
        _: object,
        *,
        partition_key: int,
        study_uid: str,
        series_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Sequence[Located]:
        self.locate_count += 1
        assert partition_key == 1
        found = [
            each
            for each in self.located
            if each.study_uid == study_uid
            and series_uid in (None, each.series_uid)
            and sop_instance_uid in (None, each.sop_instance_uid)
        ]
        if not found:
            level = "instance" if sop_instance_uid else "series" if series_uid else "study"
            raise NotFound(f"The specified {level} cannot be found.")
        return found

    async def delete(self, database: object, **uids: Any) -> list[str]:
        gone = await self.locate(database, **uids)
        self.located = [each for each in self.located if each not in gone]
        return [each.sop_instance_uid for each in gone]

    async def record_dead(self, _: object, entries: Sequence[str]) -> None:
        self.dead += entries

    async def check(self) -> None:
        if not self.is_database_up:
            raise OSError
