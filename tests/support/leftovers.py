"""What a service has in its blob folder, and what its index says of it."""

import time
from pathlib import Path

import psycopg

from tests.support.service import Service

SWEEP_S_MAX = 60.0

_ORPHANS = """
SELECT 'series without a study', count(*) FROM series
    WHERE NOT EXISTS (SELECT FROM study WHERE study.study_key = series.study_key)
UNION ALL SELECT 'study without series', count(*) FROM study
    WHERE NOT EXISTS (SELECT FROM series WHERE series.study_key = study.study_key)
UNION ALL SELECT 'instance without a series', count(*) FROM instance
    WHERE NOT EXISTS (SELECT FROM series WHERE series.series_key = instance.series_key)
UNION ALL SELECT 'instance without a pack', count(*) FROM instance
    WHERE NOT EXISTS (SELECT FROM pack WHERE pack.pack_key = instance.pack_key)
UNION ALL SELECT 'series that counts wrong', count(*) FROM series
    WHERE instance_count <> (
        SELECT count(*) FROM instance WHERE instance.series_key = series.series_key
    )
UNION ALL SELECT 'pack that counts wrong', count(*) FROM pack
    WHERE (live_count, live_bytes) <> (
        SELECT count(*), COALESCE(sum(payload_length), 0) FROM instance
        WHERE instance.pack_key = pack.pack_key
    )
"""


def assert_no_orphans(service: Service) -> None:
    """No row belongs to nothing, and every count is right."""
    with psycopg.connect(service.database) as connection:
        found = connection.execute(_ORPHANS).fetchall()
    assert [row for row in found if row[1] != 0] == []


def packs_on_disk(blobs: Path) -> set[str]:
    """The packs whose files are there."""
    return {path.stem for path in blobs.rglob("*.zip")}


def named_packs(service: Service) -> set[str]:
    """The packs in which an instance lies."""
    with psycopg.connect(service.database) as connection:
        rows = connection.execute(
            "SELECT DISTINCT pack_id FROM pack JOIN instance USING (pack_key)"
        )
        return {row[0] for row in rows}


def wait_until_swept(service: Service, blobs: Path) -> None:
    """Waits until no pack is left that nothing names, and no unfinished file.

    The service must sweep at short intervals, and with a short grace.
    """
    deadline = time.monotonic() + SWEEP_S_MAX
    while (found := packs_on_disk(blobs)) != (named := named_packs(service)):
        assert time.monotonic() < deadline, f"{len(found - named)} packs were not swept"
        assert not named - found, "a pack is gone that instances lie in"
        time.sleep(0.1)
    while any((blobs / "unfinished").iterdir()):
        assert time.monotonic() < deadline, "unfinished files were not swept"
        time.sleep(0.1)
