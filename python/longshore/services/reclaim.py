"""Gives space back, in the background: dead packs, dead entries, and packs that no row names.

Every process runs this; what they share is the index, which lets only one of them claim a pack.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from longshore._native import PackEntry, PackFormatError, plan_pack
from longshore.blobs.store import BlobFacts, BlobStore
from longshore.errors import LongshoreError, without_values
from longshore.extent import pack_blob
from longshore.index import packs as index_packs
from longshore.index.database import Database
from longshore.index.delete import DeadEntry
from longshore.index.packs import DeadPack, LiveEntry
from longshore.services.packs import (
    PACK_PREFIX,
    forget_dead,
    new_pack_id,
    read_directory,
    record_dead,
)

_log = logging.getLogger(__name__)

LIST_COUNT = 500
"""Packs that are compared with the index at a time."""
COPY_BYTES = 1024**2
"""What is copied at a time, in bytes."""


@dataclass(frozen=True, slots=True)
class ReclaimRules:
    """When what is given back.

    Attributes:
        deleted_retention_s: How long the bytes of a deleted instance stay.
        sweep_grace_s: How long a pack stays that no row names: one whose Store is under way, or one
            that was rewritten, for readers that have located it.
        sweep_interval_s: Time between two rounds.
    """

    deleted_retention_s: float = 3 * 24 * 3600.0
    sweep_grace_s: float = 3600.0
    sweep_interval_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What one round gave back."""

    unfinished_count: int
    swept_count: int
    removed_count: int
    rewritten_count: int


async def reclaim_forever(database: Database, blobs: BlobStore, rules: ReclaimRules) -> None:
    """Runs rounds until cancelled. A round that fails is logged and followed by the next."""
    while True:
        await asyncio.sleep(rules.sweep_interval_s)
        try:
            done = await reclaim(database, blobs, rules)
        except LongshoreError as error:
            next_s = rules.sweep_interval_s
            _log.warning("reclaiming space failed, next try in %s s: %s", next_s, error)
        except Exception as error:
            _log.error("reclaiming space failed: %s", without_values(error))
        else:
            if done != Reclaimed(0, 0, 0, 0):
                _log.info("reclaimed space: %s", done)


async def reclaim(database: Database, blobs: BlobStore, rules: ReclaimRules) -> Reclaimed:
    """Runs one round, unless another process is at it."""
    async with index_packs.reclaim_turn(database) as is_ours:
        if not is_ours:
            return Reclaimed(0, 0, 0, 0)
        return await _round(database, blobs, rules)


async def _round(database: Database, blobs: BlobStore, rules: ReclaimRules) -> Reclaimed:
    unfinished = await blobs.sweep_unfinished(age_s_min=rules.sweep_grace_s)
    swept = await sweep(database, blobs, grace_s=rules.sweep_grace_s)
    before = datetime.now(UTC) - timedelta(seconds=rules.deleted_retention_s)
    removed = rewritten = 0
    for pack in await index_packs.dead_packs(database, dead_before=before):
        try:
            if pack.live_count == 0:
                await _remove(database, blobs, pack.pack_id)
                removed += 1
            else:
                dead_at = before + timedelta(seconds=rules.sweep_grace_s)
                await _rewrite(database, blobs, pack, dead_at=dead_at)
                rewritten += 1
        except (LongshoreError, PackFormatError) as error:
            # A damaged pack must not keep the others from being looked at.
            _log.error("pack %s cannot be reclaimed: %s", pack.pack_id, without_values(error))
    return Reclaimed(unfinished, swept, removed, rewritten)


async def sweep(database: Database, blobs: BlobStore, *, grace_s: float) -> int:
    """Removes packs that no row names: a crash or a failed transaction left them. Returns how many.

    Only packs older than `grace_s` are looked at; a Store that is still under way after that finds
    its pack claimed, fails, and is sent again.
    """
    swept = 0
    old: list[BlobFacts] = []
    before = datetime.now(UTC) - timedelta(seconds=grace_s)
    async for facts in blobs.list(PACK_PREFIX):
        if facts.modified_at < before:
            old.append(facts)
        if len(old) == LIST_COUNT:
            swept += await _sweep_some(database, blobs, old)
            old = []
    return swept + await _sweep_some(database, blobs, old)


async def _sweep_some(database: Database, blobs: BlobStore, some: Sequence[BlobFacts]) -> int:
    names = {facts.name.rsplit("/", 1)[-1].removesuffix(".zip"): facts.name for facts in some}
    known = await index_packs.known_packs(database, list(names))
    swept = 0
    for pack_id, name in names.items():
        if pack_id in known or not await index_packs.claim_for_sweep(database, pack_id):
            continue
        # The claim stays: a Store that wakes up even later must not name a blob that is gone.
        await blobs.delete(name)
        await forget_dead(blobs, pack_id)
        swept += 1
    return swept


async def _remove(database: Database, blobs: BlobStore, pack_id: str) -> None:
    """Blob first: a row without a blob is looked at again, a blob without a row is swept."""
    await blobs.delete(pack_blob(pack_id))
    await forget_dead(blobs, pack_id)
    await index_packs.forget_pack(database, pack_id)


async def _rewrite(
    database: Database, blobs: BlobStore, pack: DeadPack, *, dead_at: datetime
) -> None:
    """Moves a pack's live entries to a new pack, so that the rest can go.

    The old pack stays a while, dead since `dead_at`: a reader may have located it.
    """
    live = await index_packs.live_entries(database, pack.pack_id)
    if not live:
        return
    directory = await read_directory(blobs, pack.pack_id, pack.length)
    crc32s = {entry.payload_offset: entry.crc32 for entry in directory}
    plan = plan_pack([await _entry(blobs, found, crc32s) for found in live])
    new_id = new_pack_id()
    writer = await blobs.open_writer(pack_blob(new_id), head_length=len(plan.headers[0]))
    try:
        for at, found in enumerate(live):
            if at > 0:
                await writer.write([plan.headers[at]])
            async for chunk in blobs.stream(found.payload, chunk_bytes=COPY_BYTES):
                await writer.write([chunk])
        await writer.commit(head=plan.headers[0], tail=plan.tail)
    finally:
        # Does nothing after the commit.
        await writer.abort()
    places = [
        index_packs.Place(found.instance_key, payload_offset, segment_offset)
        for found, payload_offset, segment_offset in zip(
            live, plan.payload_offsets, plan.segment_offsets, strict=True
        )
    ]
    await index_packs.move_entries(
        database,
        old_pack_id=pack.pack_id,
        new_pack_id=new_id,
        length=plan.length,
        places=places,
        dead_at=dead_at,
    )
    # Noted behind the move: until then the old entries are the ones that count.
    old = [DeadEntry(pack.pack_id, found.payload.offset) for found in live]
    await record_dead(blobs, old)


async def _entry(blobs: BlobStore, found: LiveEntry, crc32s: Mapping[int, int]) -> PackEntry:
    return PackEntry(
        study_uid=found.study_uid,
        series_uid=found.series_uid,
        sop_instance_uid=found.sop_instance_uid,
        length=found.payload.length,
        crc32=crc32s[found.payload.offset],
        segment=await blobs.read(found.segment),
        segment_crc32=found.segment_crc32,
        segment_plain_length=found.segment_plain_length,
    )
