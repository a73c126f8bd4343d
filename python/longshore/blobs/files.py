"""Files below one folder that appear whole and durable, or not at all."""

import asyncio
import errno
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from longshore.errors import Conflict, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

THREAD_COUNT = 16
"""Reads and writes under way at once; what waits for a disk costs no processor."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Files:
    """The folder, and a few threads for everything that blocks."""

    def __init__(self, root: Path) -> None:
        """Makes the folders that are missing.

        Raises:
            Unavailable: They cannot be made.
        """
        self.root = root
        self.unfinished = root / "unfinished"
        self._threads = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="blobs")
        self._folders: set[Path] = set()
        try:
            self.unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what blocks in a thread; its errors become ours here."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        except OSError as error:
            raise unavailable(error) from error

    def new_unfinished(self) -> Path:
        """Returns a path that nobody else writes to."""
        return self.unfinished / secrets.token_hex(16)

    def publish(self, descriptor: int, unfinished: Path, name: str) -> None:
        """Syncs a file and gives it its name, unless that is taken."""
        path = self.root / name
        self._make_folder(path.parent)
        os.fsync(descriptor)
        try:
            os.link(unfinished, path)
        except FileExistsError as error:
            msg = f"the blob {name} is there already"
            raise Conflict(msg) from error
        except FileNotFoundError:
            # The folder was removed behind our back; make it again.
            self._folders.discard(path.parent)
            self._make_folder(path.parent)
            os.link(unfinished, path)
        sync_folder(path.parent)

    def _make_folder(self, folder: Path) -> None:
        """Makes a folder and its parents durably."""
        if folder in self._folders or folder == self.root:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        self._folders.add(folder)


def pread(descriptor: int, length: int, offset: int, name: str) -> bytes:
    """Reads exactly `length` bytes."""
    chunk = os.pread(descriptor, length, offset)
    if len(chunk) == length:
        return chunk
    pieces = [chunk]
    missing = length - len(chunk)
    while chunk and missing:
        chunk = os.pread(descriptor, missing, offset + length - missing)
        pieces.append(chunk)
        missing -= len(chunk)
    if missing:
        msg = f"the blob {name} ends {missing} bytes early; restore it from a backup"
        raise Unavailable(msg)
    return b"".join(pieces)


def sync_folder(folder: Path) -> None:
    """Makes the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unavailable(error: OSError) -> Unavailable:
    """Returns what to tell of a failing storage."""
    if error.errno in _FULL:
        return Unavailable("the storage is full; make room, nothing was stored")
    if error.errno == errno.EROFS:
        return Unavailable("the storage is read-only; mount it for writing")
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    return Unavailable(f"the storage answers with {name}; check the data folder")
