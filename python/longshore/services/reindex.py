"""Extended query tags in the background: indexes what is stored, and clears behind removed ones.

Every process runs this. What they share is the index, which lets only one of them have its turn;
if that one ends, another one goes on where it was. Stores go on meanwhile.
"""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

import orjson

from longshore._native import PackFormatError
from longshore.blobs.store import BlobStore
from longshore.dicom import ExtendedTags
from longshore.errors import BlobNotFound
from longshore.index import reindex as index
from longshore.index.database import Database
from longshore.index.extended_tags import ExtendedTag, TagList, glance
from longshore.index.extended_values import fault_of, value_row
from longshore.index.locks import Lock
from longshore.index.reindex import Fault, Finding, StoredMetadata
from longshore.index.turns import take_turn
from longshore.services.near_reads import ReadLimits, read_near
from longshore.services.rounds import surviving

_log = logging.getLogger(__name__)

GLANCE_S = 0.5
"""Time between two looks at the list of tags: how long a Store may go on with an older one."""
SEEN_S = 2 * GLANCE_S
"""An operation does not end before this: when it ends, every process knows its tags."""
WAIT_S = 0.05
"""Time between two looks at Stores that began before a tag was added."""
READ_LIMITS = ReadLimits(count_max=8, bytes_max=4 * 1024**2)
DAMAGED = "The metadata of the instance cannot be read."


async def reindex_forever(database: Database, blobs: BlobStore, wanted: asyncio.Event) -> None:
    """Looks after the tags until cancelled. What fails is logged and tried again.

    Args:
        wanted: Set where there is something to do at once.
    """
    while True:
        pause_s = 10 * GLANCE_S  # behind an error
        with surviving(_log, "looking after extended query tags failed, next try soon"):
            if await glance(database):
                await reindex(database, blobs)
            pause_s = GLANCE_S
        try:
            async with asyncio.timeout(pause_s):
                await wanted.wait()
        except TimeoutError:
            continue
        wanted.clear()


async def reindex(database: Database, blobs: BlobStore) -> None:
    """Does whatever there is to do, unless another process is at it."""
    async with take_turn(database, Lock.REINDEX) as is_ours:
        if not is_ours:
            return
        for tag_key in await index.removed_tags(database):
            await _wait_for_stores(database)
            while await index.delete_values(database, tag_key):
                pass
            await index.forget_tag(database, tag_key)
        while (operation := await index.next_reindex(database)) is not None:
            if operation.below_key is None:
                await _wait_for_stores(database)
                await index.begin_reindex(database, operation.operation_id)
                continue
            await _index_below(database, blobs, operation.operation_id, operation.below_key)
            await asyncio.sleep(max(0.0, SEEN_S - operation.age_s))
            await index.finish_reindex(database, operation.operation_id)
            _log.info("operation %s is done", operation.operation_id.hex)


async def _wait_for_stores(database: Database) -> None:
    """Waits for the Stores that may not know the list as it is now; those behind them do."""
    waiting = await index.stores_under_way(database)
    while waiting:
        await asyncio.sleep(WAIT_S)
        waiting &= await index.stores_under_way(database)


async def _index_below(
    database: Database, blobs: BlobStore, operation_id: UUID, below_key: int
) -> None:
    tags = TagList.of(1, await index.tags_of_operation(database, operation_id))
    while instances := await index.next_instances(database, below_key):
        try:
            segments = await _read(blobs, instances)
        except BlobNotFound:
            # A pack went meanwhile, after a delete or a merge.
            instances = await index.next_instances(database, below_key)
            segments = await _read(blobs, instances, is_last_try=True)
        finding = await asyncio.to_thread(_find, tags, instances, segments)
        below_key = await index.write_findings(database, operation_id, below_key, finding)


async def _read(
    blobs: BlobStore, instances: Sequence[StoredMetadata], *, is_last_try: bool = False
) -> dict[int, bytes | None]:
    """Returns the instances' deflated metadata by their keys; None for what is not there.

    Raises:
        BlobNotFound: A pack is not there, and this is not the last try.
    """
    segments: dict[int, bytes | None] = dict.fromkeys(each.instance_key for each in instances)

    async def keep(some: Sequence[tuple[int, bytes]]) -> None:
        segments.update(some)

    located = [(each.segment, each.instance_key) for each in instances]
    miss = _stays_none if is_last_try else None
    await read_near(blobs, located, keep, READ_LIMITS, miss=miss)
    return segments


def _stays_none(_: int) -> None:
    pass


def _find(
    tags: TagList, instances: Sequence[StoredMetadata], segments: dict[int, bytes | None]
) -> Finding:
    """Finds values and faults in the metadata of n instances, the highest key first."""
    values: list[tuple[ExtendedTag, int, tuple[object, ...]]] = []
    faults: list[Fault] = []
    for each in instances:
        key = each.instance_key
        try:
            json = _elements(tags.finder, each, segments[key])
        except PackFormatError:
            _log.error("the metadata of instance %s cannot be read", each.sop_instance_uid)
            faults += [Fault(tag.tag_key, key, DAMAGED) for tag in tags.tags]
            continue
        for tag, element in zip(tags.tags, orjson.loads(json) if json else (), strict=False):
            if element is None:
                continue
            message = fault_of(tag, element)
            if message is not None:
                faults.append(Fault(tag.tag_key, key, message))
            elif (row := value_row(tag, element, (key, key, key))) is not None:
                values.append((tag, key, row.typed))
    return Finding([each.instance_key for each in instances], values, faults)


def _elements(
    finder: ExtendedTags, metadata: StoredMetadata, segment: bytes | None
) -> bytes | None:
    if segment is None:
        raise PackFormatError
    return finder.read(segment, plain_length=metadata.plain_length, crc32=metadata.crc32)
