"""The data folder: made when missing, and held by one process at a time."""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO

import psutil

from longshore.errors import LongshoreError

_LOCK_FILE = "longshore.lock"
ORPHANS_S_MAX = 40.0
"""How long a lock is waited for whose process is gone: workers end a while after their parent."""
_POLL_S = 0.05


class FolderError(LongshoreError):
    """The data folder cannot be used; the text is one line that says what to do."""


@contextlib.contextmanager
def held(folder: Path) -> Generator[None]:
    """Makes the folder when missing, and keeps every other process off it within the block.

    The lock belongs to the open file, which forked workers share: it is free when the last of them
    is gone, however they ended.

    Raises:
        FolderError: It cannot be made or written to, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK_FILE).open("a+", encoding="ascii")
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        msg = f"the data folder {folder} cannot be used ({reason}); choose one with --data"
        raise FolderError(msg) from error
    with lock:
        _take(lock, folder)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _take(lock: IO[str], folder: Path) -> None:
    deadline = time.monotonic() + ORPHANS_S_MAX
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(lock)
            if _is_alive(pid) or time.monotonic() > deadline:
                msg = (
                    f"the data folder {folder} is in use by process {pid}; "
                    "stop that one first, or choose another folder with --data"
                )
                raise FolderError(msg) from None
            time.sleep(_POLL_S)
        except OSError as error:
            msg = f"the data folder {folder} cannot be locked ({error.strerror}); use a local disk"
            raise FolderError(msg) from error
        else:
            return


def _holder(lock: IO[str]) -> int | None:
    lock.seek(0)
    text = lock.read().strip()
    return int(text) if text.isdigit() else None


def _is_alive(pid: int | None) -> bool:
    """Whether the process runs; one that ended and is not reaped yet does not."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
