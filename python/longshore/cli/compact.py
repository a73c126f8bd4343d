"""`longshore compact`: merges small packs now, as the service does in the background."""

import asyncio

from longshore.app import open_origin, reclaim_rules
from longshore.cli.database import opened
from longshore.services.reclaim import Reclaimed, reclaim
from longshore.settings import Settings


def run(settings: Settings) -> int:
    """Runs rounds until nothing is left to merge, under the rules that are set."""
    with opened(settings) as ready:
        asyncio.run(_compact(ready))
    return 0


async def _compact(settings: Settings) -> None:
    async with open_origin(settings) as origin:
        while not _told(await reclaim(origin.database, origin.blobs, reclaim_rules(settings))):
            pass


def _told(done: Reclaimed) -> bool:
    """Prints what a round did; returns whether it was the last."""
    merged = done.merged
    print(
        f"{merged.old_pack_count} packs with {merged.instance_count} instances merged into"
        f" {merged.new_pack_count}; {done.removed_count} dead packs removed,"
        f" {done.rewritten_count} rewritten",
        flush=True,
    )
    return merged.is_done
