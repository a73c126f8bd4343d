"""`longshore sweep`: gives space back now, as the service does all the time in the background."""

import asyncio

from longshore.app import open_origin, reclaim_rules
from longshore.cli.database import opened
from longshore.services.reclaim import Reclaimed, reclaim
from longshore.settings import Settings


def run(settings: Settings) -> int:
    """Runs one round, under the retention and grace that are set."""
    with opened(settings) as ready:
        done = asyncio.run(_sweep(ready))
    print(
        f"{done.swept_count} packs without a row and {done.unfinished_count} unfinished writes"
        f" removed; {done.removed_count} dead packs removed, {done.rewritten_count} rewritten,"
        f" {done.merged.old_pack_count} merged into {done.merged.new_pack_count}"
    )
    return 0


async def _sweep(settings: Settings) -> Reclaimed:
    async with open_origin(settings) as origin:
        return await reclaim(origin.database, origin.blobs, reclaim_rules(settings))
