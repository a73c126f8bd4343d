"""Deletes studies whose time is over, in the background (the model's expiry headers).

Every process runs this; the index lets one of them have its turn.
"""

import asyncio
import contextlib
import logging

from longshore.blobs.store import BlobStore
from longshore.errors import NotFound
from longshore.index.database import Database
from longshore.index.delete import delete
from longshore.index.expiry import due_studies
from longshore.index.locks import Lock
from longshore.index.turns import take_turn
from longshore.services.packs import record_dead
from longshore.services.rounds import surviving

_log = logging.getLogger(__name__)

STUDY_COUNT = 100
"""Due studies that are read from the index at a time."""


async def expire_forever(database: Database, blobs: BlobStore, *, interval_s: float) -> None:
    """Runs rounds until cancelled. A round that fails is logged and followed by the next."""
    while True:
        await asyncio.sleep(interval_s)
        with surviving(_log, f"deleting expired studies failed, next try in {interval_s:g} s"):
            count = await expire(database, blobs)
            if count:
                _log.info("deleted %d expired studies", count)


async def expire(database: Database, blobs: BlobStore) -> int:
    """Deletes what is due, as a Delete of each study does, unless another process is at it.

    Returns:
        How many studies went.
    """
    count = 0
    async with take_turn(database, Lock.EXPIRE) as is_ours:
        while is_ours:
            due = await due_studies(database, limit=STUDY_COUNT)
            for study in due:
                # It may be gone, or a Store may have cancelled its end.
                with contextlib.suppress(NotFound):
                    dead = await delete(
                        database,
                        partition_key=study.partition_key,
                        study_uid=study.study_uid,
                        is_only_due=True,
                    )
                    await record_dead(blobs, dead)
                    count += 1
            if len(due) < STUDY_COUNT:
                break
    return count
