"""What only local files can suffer."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import pytest

from longshore.blobs.local import LocalBlobStore
from longshore.blobs.open import open_blob_store
from longshore.errors import Unavailable
from longshore.extent import Extent

pytestmark = pytest.mark.anyio

NAME = "packs/ab/0123.zip"


async def test_file_and_folder_are_synced_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seam is os.fsync itself: nothing else shows from outside that it was called."""
    synced: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    store = LocalBlobStore(tmp_path / "blobs")
    await store.put(NAME, [b"x"])
    await store.close()
    folder = tmp_path / "blobs" / "packs" / "ab"
    file = next(at for at, path in enumerate(synced) if "/unfinished/" in path)
    assert synced.index(str(folder)) > file, "the name is durable only behind the bytes"
    assert str(folder.parent) in synced
    assert str(folder.parent.parent) in synced


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: the kernel refuses to write likewise."""
    program = """
        import asyncio, resource, signal, sys
        from pathlib import Path
        from longshore.blobs.local import LocalBlobStore
        from longshore.errors import Unavailable

        async def main():
            store = LocalBlobStore(Path(sys.argv[1]))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
            for write in (put, stream):
                try:
                    await write(store)
                except Unavailable as error:
                    print(error)
            await store.put("small", [b"fits"])

        async def put(store):
            await store.put("large", [bytes(600_000), bytes(600_000)])

        async def stream(store):
            writer = await store.open_writer("streamed", head_length=0)
            try:
                await writer.write([bytes(5_000_000)])
                await writer.commit(head=b"", tail=[])
            finally:
                await writer.abort()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "blobs")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("the storage is full") == 2, done.stdout
    left = {path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    assert left == {"small"}


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("not a folder")
    with pytest.raises(Unavailable, match="check the data folder"):
        LocalBlobStore(tmp_path / "blobs")


async def test_kill_9_leaves_nothing_visible(tmp_path: Path) -> None:
    program = """
        import asyncio, os, sys
        from pathlib import Path
        from longshore.blobs.local import LocalBlobStore

        async def main():
            store = LocalBlobStore(Path(sys.argv[1]))
            writer = await store.open_writer("streamed", head_length=0)
            await writer.write([bytes(5_000_000)])
            os.kill(os.getpid(), 9)

        asyncio.run(main())
    """
    program = textwrap.dedent(program)
    root = tmp_path / "blobs"
    killed = await anyio.run_process([sys.executable, "-c", program, str(root)], check=False)
    assert killed.returncode == -9
    store = LocalBlobStore(root)
    assert [facts async for facts in store.list("")] == []
    assert await store.sweep_unfinished(age_s_min=3600) == 0
    assert await store.sweep_unfinished(age_s_min=0) == 1
    assert [path for path in root.rglob("*") if path.is_file()] == []
    await store.close()


async def test_reading_goes_on_while_the_blob_is_deleted(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs")
    await store.put(NAME, [bytes(10_000)])
    stream = store.stream(Extent(NAME, 0, 10_000), chunk_bytes=1000)
    length = len(await anext(stream))
    await store.delete(NAME)
    async for chunk in stream:
        length += len(chunk)
    assert length == 10_000
    await store.close()


async def test_locations(tmp_path: Path) -> None:
    for location, root in (("local", tmp_path / "blobs"), (f"file://{tmp_path}/x%20y", None)):
        store = await open_blob_store(location, data_folder=tmp_path)
        await store.put("a", [b"x"])
        assert (root or tmp_path / "x y").joinpath("a").read_bytes() == b"x"
        await store.close()
    for location in ("", "ftp://x", "s3://bucket", "lokal"):
        with pytest.raises(ValueError, match="--blobs takes local"):
            await open_blob_store(location, data_folder=tmp_path)
