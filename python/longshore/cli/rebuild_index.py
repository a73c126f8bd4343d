"""`longshore rebuild-index`: makes the index anew from the packs alone."""

import asyncio
import sys

from longshore.app import open_origin, store_limits
from longshore.cli.database import opened
from longshore.services.rebuild import Rebuilt, rebuild
from longshore.settings import Settings


def run(settings: Settings) -> int:
    """Indexes every pack that the index does not name yet; 1 if a pack is damaged."""
    with opened(settings) as ready:
        done = asyncio.run(_rebuild(ready))
    print(f"{done.instance_count} instances of {done.pack_count} packs indexed")
    for name in done.damaged:
        print(f"longshore: {name} is damaged; restore it and run this again", file=sys.stderr)
    return 1 if done.damaged else 0


async def _rebuild(settings: Settings) -> Rebuilt:
    async with open_origin(settings) as origin:
        return await rebuild(origin.database, origin.blobs, store_limits(settings))
