"""Blobs as files below one folder.

A blob is written beside its place, synced, linked to its name, and its folder synced: it is there
whole and durable, or not at all. Everything that blocks runs in a few threads of its own.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import Buffer, override

from longshore.blobs.cached_reads import CachedReads
from longshore.blobs.files import Files, pread, sync_folder
from longshore.blobs.gathered import Gathered, check_head
from longshore.blobs.names import checked
from longshore.blobs.output import DIRECT_BYTES_MIN, Output
from longshore.blobs.store import BlobFacts, BlobStore, BlobWriter
from longshore.errors import BlobNotFound
from longshore.extent import Extent

WRITE_BYTES = 64 * 1024
"""What a writer gathers before it writes, in bytes. There may be many that nobody hurries."""
LIST_COUNT = 1000
"""Entries of a listing that are read at a time."""


class LocalBlobStore(BlobStore):
    """The backend for local files and network file systems with POSIX semantics."""

    def __init__(self, root: Path) -> None:
        """Makes the folders that are missing.

        Raises:
            Unavailable: They cannot be made.
        """
        self._files = Files(root)
        self._root = str(root)
        self._cached = CachedReads()

    @override
    async def put(self, name: str, buffers: Sequence[Buffer]) -> None:
        await self._files.run(self._put, checked(name), buffers)

    @override
    async def open_writer(self, name: str, *, head_length: int) -> BlobWriter:
        unfinished = self._files.new_unfinished()
        output = await self._files.run(
            Output.create, unfinished, head_length=head_length, is_direct=True
        )
        return _LocalWriter(self._files, checked(name), unfinished, output, head_length)

    @override
    async def read(self, extent: Extent) -> bytes:
        found = self.read_at_once(extent)
        if found is not None:
            return found
        return await self._files.run(self._read, extent)

    @override
    def read_at_once(self, extent: Extent, head: bytes = b"", tail: bytes = b"") -> bytes | None:
        path = f"{self._root}/{checked(extent.blob)}"
        return self._cached.read(path, extent.length, extent.offset, head, tail)

    @override
    async def stream(self, extent: Extent, *, chunk_bytes: int) -> AsyncIterator[bytes]:
        descriptor = await self._files.run(self._open, extent.blob)
        try:
            offset = extent.offset
            while offset < extent.end:
                length = min(chunk_bytes, extent.end - offset)
                yield await self._files.run(pread, descriptor, length, offset, extent.blob)
                offset += length
        finally:
            os.close(descriptor)

    @override
    async def delete(self, name: str) -> None:
        await self._files.run(self._delete, checked(name))

    @override
    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        found = self._walk(prefix)
        while page := await self._files.run(_take, found):
            for facts in page:
                yield facts

    @override
    async def sweep_unfinished(self, *, age_s_min: float) -> int:
        return await self._files.run(self._sweep, age_s_min)

    @override
    async def check(self) -> None:
        await self._files.run(self._probe)

    @override
    async def close(self) -> None:
        self._files.close()

    def _path(self, name: str) -> Path:
        return self._files.root / name

    def _put(self, name: str, buffers: Sequence[Buffer]) -> None:
        unfinished = self._files.new_unfinished()
        length = sum(memoryview(buffer).nbytes for buffer in buffers)
        output = Output.create(unfinished, is_direct=length >= DIRECT_BYTES_MIN)
        try:
            output.end(buffers)
            self._files.publish(output.descriptor, unfinished, name)
        finally:
            output.close()
            unfinished.unlink(missing_ok=True)

    def _open(self, name: str) -> int:
        try:
            return os.open(self._path(checked(name)), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            msg = f"no blob {name}"
            raise BlobNotFound(msg) from error

    def _read(self, extent: Extent) -> bytes:
        descriptor = self._open(extent.blob)
        try:
            return pread(descriptor, extent.length, extent.offset, extent.blob)
        finally:
            os.close(descriptor)

    def _delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        sync_folder(path.parent)

    def _walk(self, prefix: str) -> Iterator[BlobFacts]:
        for folder, _, file_names in os.walk(self._files.root / os.path.dirname(prefix)):  # noqa: PTH120
            relative = Path(folder).relative_to(self._files.root)
            if relative.parts[:1] == (self._files.unfinished.name,):
                continue
            for file_name in file_names:
                name = (relative / file_name).as_posix()
                if not name.startswith(prefix):
                    continue
                try:
                    facts = (self._files.root / name).stat()
                except FileNotFoundError:
                    continue
                modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
                yield BlobFacts(name, facts.st_size, modified_at)

    def _sweep(self, age_s_min: float) -> int:
        before = time.time() - age_s_min
        count = 0
        for path in self._files.unfinished.iterdir():
            try:
                if path.stat().st_mtime <= before:
                    path.unlink()
                    count += 1
            except FileNotFoundError:
                continue
        return count

    def _probe(self) -> None:
        probe = self._files.new_unfinished()
        output = Output.create(probe, is_direct=False)
        try:
            output.end([b"probe"])
            os.fsync(output.descriptor)
        finally:
            output.close()
            probe.unlink(missing_ok=True)


class _LocalWriter(BlobWriter):
    """A file that has no name yet."""

    def __init__(
        self,
        files: Files,
        name: str,
        unfinished: Path,
        output: Output,
        head_length: int,
    ) -> None:
        self._files = files
        self._name = name
        self._unfinished = unfinished
        self._output: Output | None = output
        self._head_length = head_length
        self._gathered = Gathered(bytes_min=WRITE_BYTES)

    @override
    async def write(self, buffers: Sequence[Buffer]) -> None:
        if self._gathered.add(buffers):
            await self._files.run(self._open_output().write, self._gathered.take())

    @override
    async def commit(self, *, head: bytes, tail: Sequence[Buffer]) -> None:
        check_head(head, length=self._head_length)
        self._gathered.add(tail)
        await self._files.run(self._finish, head, self._gathered.take())

    @override
    async def abort(self) -> None:
        if self._output is None:
            return
        await self._files.run(self._close)

    def _open_output(self) -> Output:
        if self._output is None:
            msg = "the blob is committed or aborted"
            raise ValueError(msg)
        return self._output

    def _finish(self, head: bytes, rest: Sequence[Buffer]) -> None:
        output = self._open_output()
        output.end(rest, head=head)
        self._files.publish(output.descriptor, self._unfinished, self._name)
        self._close()

    def _close(self) -> None:
        output, self._output = self._output, None
        if output is not None:
            output.close()
            self._unfinished.unlink(missing_ok=True)


def _take(found: Iterator[BlobFacts]) -> list[BlobFacts]:
    return [facts for _, facts in zip(range(LIST_COUNT), found, strict=False)]
