"""What no row names goes, and nothing else."""

from dataclasses import replace

import pytest

from longshore.services.packs import DEAD_PREFIX
from tests.services.shop import AT_ONCE, Shop
from tests.support import synthetic

pytestmark = pytest.mark.anyio


async def notes(shop: Shop) -> set[str]:
    return {facts.name async for facts in shop.blobs.list(DEAD_PREFIX)}


async def test_notes_of_packs_that_are_gone_go(shop: Shop, spare_dsn: str):
    """As a deletion leaves them that writes its note behind the removal of the pack."""
    await shop.store_together((1, 1), (1, 2))
    await shop.delete(synthetic.path(1))
    needed = await notes(shop)
    assert len(needed) == 1
    stray = f"{DEAD_PREFIX}{'0' * 32}/0123456789abcdef.json"
    await shop.blobs.put(stray, [b"[123]"])
    later = replace(AT_ONCE, deleted_retention_s=3_600.0, sweep_grace_s=3_600.0)
    await shop.reclaim(later)
    assert await notes(shop) == needed | {stray}
    await shop.reclaim(replace(later, sweep_grace_s=0.0))
    assert await notes(shop) == needed
    await shop.check(spare_dsn)
