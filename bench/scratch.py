"""A folder for a run's data, removed afterwards."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

FREE_BYTES_SPARE = 2 * 1024**3


@contextlib.contextmanager
def scratch() -> Generator[Path]:
    """Yields a new folder, which PostgreSQL's user may enter too."""
    folder = Path(tempfile.mkdtemp(prefix="longshore-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_bytes() -> int:
    """Returns the room on the disk of such folders, less what is left to others."""
    return max(0, shutil.disk_usage(tempfile.gettempdir()).free - FREE_BYTES_SPARE)


def require_room(byte_count: int, advice: str) -> None:
    """Ends the run before it fills the disk.

    Raises:
        SystemExit: There is too little room; the text says what to do.
    """
    if free_bytes() < byte_count:
        msg = (
            f"the disk of temporary files has {free_bytes() / 1e9:.0f} GB of room, this run needs "
            f"{byte_count / 1e9:.0f} GB; {advice}, or name another disk: TMPDIR=/a/folder"
        )
        raise SystemExit(msg)


def empty(folder: Path) -> None:
    """Removes the files of a folder, and lets the disk come to rest."""
    for path in folder.iterdir():
        path.unlink()
    os.sync()
