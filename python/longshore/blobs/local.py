"""Blobs as files below one folder.

A blob is written beside its place, synced, linked to its name, and its folder synced: it is there
whole and durable, or not at all. Everything that blocks runs in a few threads of its own.
"""

import asyncio
import errno
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from typing_extensions import Buffer, override

from longshore.blobs.names import checked
from longshore.blobs.store import BlobFacts, BlobStore, BlobWriter
from longshore.errors import BlobNotFound, Conflict, Unavailable
from longshore.extent import Extent

P = ParamSpec("P")
T = TypeVar("T")

THREAD_COUNT = 16
"""Reads and writes under way at once; what waits for a disk costs no processor."""
WRITE_BYTES = 4 * 1024**2
"""What a writer gathers before it writes, in bytes."""
IOV_COUNT_MAX = 1024
"""Buffers of one writev (Linux IOV_MAX)."""
LIST_COUNT = 1000
"""Entries of a listing that are read at a time."""

_UNFINISHED = "unfinished"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LocalBlobStore(BlobStore):
    """The backend for local files and network file systems with POSIX semantics."""

    def __init__(self, root: Path) -> None:
        """Makes the folders that are missing.

        Raises:
            Unavailable: They cannot be made.
        """
        self._root = root
        self._unfinished = root / _UNFINISHED
        self._threads = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="blobs")
        self._folders: set[Path] = set()
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    @override
    async def put(self, name: str, buffers: Sequence[Buffer]) -> None:
        await self._run(self._put, checked(name), buffers)

    @override
    async def open_writer(self, name: str, *, head_length: int) -> BlobWriter:
        unfinished = self._new_unfinished()
        descriptor = await self._run(_create, unfinished, head_length)
        return _LocalWriter(self, checked(name), unfinished, descriptor, head_length)

    @override
    async def read(self, extent: Extent) -> bytes:
        return await self._run(self._read, extent)

    @override
    async def stream(self, extent: Extent, *, chunk_bytes: int) -> AsyncIterator[bytes]:
        descriptor = await self._run(self._open, extent.blob)
        try:
            offset = extent.offset
            while offset < extent.end:
                length = min(chunk_bytes, extent.end - offset)
                yield await self._run(_pread, descriptor, length, offset, extent.blob)
                offset += length
        finally:
            os.close(descriptor)

    @override
    async def delete(self, name: str) -> None:
        await self._run(self._delete, checked(name))

    @override
    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        found = self._walk(prefix)
        while page := await self._run(_take, found):
            for facts in page:
                yield facts

    @override
    async def sweep_unfinished(self, *, age_s_min: float) -> int:
        return await self._run(self._sweep, age_s_min)

    @override
    async def check(self) -> None:
        await self._run(self._probe)

    @override
    async def close(self) -> None:
        self._threads.shutdown(wait=True)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs what blocks in a thread; its errors become ours here."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
        except OSError as error:
            raise _unavailable(error) from error

    def _path(self, name: str) -> Path:
        return self._root / name

    def _new_unfinished(self) -> Path:
        return self._unfinished / secrets.token_hex(16)

    def _put(self, name: str, buffers: Sequence[Buffer]) -> None:
        unfinished = self._new_unfinished()
        descriptor = _create(unfinished, 0)
        try:
            _write_all(descriptor, buffers)
            self._publish(descriptor, unfinished, name)
        finally:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)

    def _publish(self, descriptor: int, unfinished: Path, name: str) -> None:
        """Syncs a file and gives it its name, unless that is taken."""
        path = self._path(name)
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
        _sync_folder(path.parent)

    def _make_folder(self, folder: Path) -> None:
        """Makes a folder and its parents durably."""
        if folder in self._folders or folder == self._root:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)
        self._folders.add(folder)

    def _open(self, name: str) -> int:
        try:
            return os.open(self._path(checked(name)), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"no blob {name}"
            raise BlobNotFound(msg) from error

    def _read(self, extent: Extent) -> bytes:
        descriptor = self._open(extent.blob)
        try:
            return _pread(descriptor, extent.length, extent.offset, extent.blob)
        finally:
            os.close(descriptor)

    def _delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(path.parent)

    def _walk(self, prefix: str) -> Iterator[BlobFacts]:
        for folder, _, file_names in os.walk(self._root / os.path.dirname(prefix)):  # noqa: PTH120
            relative = Path(folder).relative_to(self._root)
            if relative.parts[:1] == (_UNFINISHED,):
                continue
            for file_name in file_names:
                name = (relative / file_name).as_posix()
                if not name.startswith(prefix):
                    continue
                try:
                    facts = (self._root / name).stat()
                except FileNotFoundError:
                    continue
                modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
                yield BlobFacts(name, facts.st_size, modified_at)

    def _sweep(self, age_s_min: float) -> int:
        before = time.time() - age_s_min
        count = 0
        for path in self._unfinished.iterdir():
            try:
                if path.stat().st_mtime <= before:
                    path.unlink()
                    count += 1
            except FileNotFoundError:
                continue
        return count

    def _probe(self) -> None:
        probe = self._new_unfinished()
        descriptor = _create(probe, 0)
        try:
            _write_all(descriptor, [b"probe"])
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)


class _LocalWriter(BlobWriter):
    """A file that has no name yet."""

    def __init__(
        self,
        store: LocalBlobStore,
        name: str,
        unfinished: Path,
        descriptor: int,
        head_length: int,
    ) -> None:
        self._store = store
        self._name = name
        self._unfinished = unfinished
        self._descriptor: int | None = descriptor
        self._head_length = head_length
        self._gathered: list[Buffer] = []
        self._gathered_bytes = 0

    @override
    async def write(self, buffers: Sequence[Buffer]) -> None:
        self._gathered.extend(buffers)
        self._gathered_bytes += sum(memoryview(buffer).nbytes for buffer in buffers)
        if self._gathered_bytes >= WRITE_BYTES:
            await self._flush()

    @override
    async def commit(self, *, head: bytes, tail: bytes) -> None:
        if len(head) != self._head_length:
            msg = f"a head of {len(head)} bytes does not fit into {self._head_length}"
            raise ValueError(msg)
        await self.write([tail])
        await self._flush()
        await self._store._run(self._finish, head)  # noqa: SLF001 - the store's own writer

    @override
    async def abort(self) -> None:
        if self._descriptor is None:
            return
        await self._store._run(self._close)  # noqa: SLF001 - the store's own writer

    async def _flush(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if self._descriptor is None:
            msg = "the blob is committed or aborted"
            raise ValueError(msg)
        await self._store._run(_write_all, self._descriptor, gathered)  # noqa: SLF001 - see above

    def _finish(self, head: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - _flush has checked it
        written = os.pwrite(self._descriptor, head, 0)
        if written != len(head):
            raise OSError(errno.EIO, "short write")
        self._store._publish(self._descriptor, self._unfinished, self._name)  # noqa: SLF001
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            self._unfinished.unlink(missing_ok=True)


def _create(path: Path, head_length: int) -> int:
    """Creates a file that begins to be written behind its head."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    if head_length:
        os.lseek(descriptor, head_length, os.SEEK_SET)
    return descriptor


def _write_all(descriptor: int, buffers: Sequence[Buffer]) -> None:
    """Writes n buffers without joining them."""
    left = [view for buffer in buffers if (view := memoryview(buffer).cast("B"))]
    at = 0
    while at < len(left):
        written = os.writev(descriptor, left[at : at + IOV_COUNT_MAX])
        while at < len(left) and written >= left[at].nbytes:
            written -= left[at].nbytes
            at += 1
        if written:
            left[at] = left[at][written:]


def _pread(descriptor: int, length: int, offset: int, name: str) -> bytes:
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take(found: Iterator[BlobFacts]) -> list[BlobFacts]:
    return [facts for _, facts in zip(range(LIST_COUNT), found, strict=False)]


def _unavailable(error: OSError) -> Unavailable:
    if error.errno in _FULL:
        return Unavailable("the storage is full; make room, nothing was stored")
    if error.errno == errno.EROFS:
        return Unavailable("the storage is read-only; mount it for writing")
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    return Unavailable(f"the storage answers with {name}; check the data folder")
