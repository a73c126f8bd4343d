"""Whether there are partitions, and which one a name means; what a process found it remembers."""

import re
from collections.abc import Sequence

from longshore.dicom import DEFAULT_PARTITION, Partition
from longshore.errors import InvalidRequest
from longshore.index.database import Database
from longshore.index.partitions import (
    ListedPartition,
    ensure_partition,
    find_partition,
    list_partitions,
)

PARTITIONS_CACHED_MAX = 10_000
"""Partitions that a process remembers. They keep their keys for ever, so that no time is set."""

# Two names that a client, or an unzip of a pack, would take for a way up.
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}")


class Partitions:
    """The partitions of a service. One per process."""

    def __init__(self, database: Database | None = None) -> None:
        """Begins.

        Args:
            database: Where they are; None if the feature is off.
        """
        self._database = database
        self._known: dict[str, Partition] = {}

    @property
    def is_enabled(self) -> bool:
        """True if there are partitions, so that every path names one."""
        return self._database is not None

    async def list_all(self) -> Sequence[ListedPartition]:
        """Returns all partitions, oldest first.

        Raises:
            InvalidRequest: The feature is off.
        """
        return await list_partitions(self._enabled())

    async def find(self, name: str | None) -> Partition:
        """Returns the partition that a request to read names.

        Args:
            name: As in the path; None if it names none.

        Raises:
            InvalidRequest: It names none, though there are partitions, or one that is not there;
                or there are no partitions.
        """
        found = self._remembered(name)
        if found is None:
            found = await find_partition(self._enabled(), str(name))
            if found is None:
                raise InvalidRequest("Specified PartitionName does not exist.")
            self._remember(found)
        return found

    async def ensure(self, name: str | None) -> Partition:
        """Returns the partition that a request to store names; there is one from now on.

        Raises:
            InvalidRequest: As for `find`, but for a partition that is not there.
        """
        found = self._remembered(name)
        if found is None:
            found = await ensure_partition(self._enabled(), str(name))
            self._remember(found)
        return found

    def _remembered(self, name: str | None) -> Partition | None:
        if self._database is None and name is None:
            return DEFAULT_PARTITION
        self._enabled()
        if name is None:
            raise InvalidRequest(
                "PartitionName value is missing in the route segment. Send the request to"
                " /partitions/{name}/..."
            )
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                "The specified PartitionName is invalid. It has 1 to 64 characters of A-Z, a-z,"
                " 0-9, '.', '_' and '-', and is neither '.' nor '..'."
            )
        return self._known.get(name)

    def _enabled(self) -> Database:
        if self._database is None:
            raise InvalidRequest("Data partitions feature is disabled.")
        return self._database

    def _remember(self, partition: Partition) -> None:
        if len(self._known) >= PARTITIONS_CACHED_MAX:
            self._known.clear()
        self._known[partition.name] = partition
