"""A small disk that can be filled and made read-only, for real."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

DISK_BYTES = 48 * 1024**2
BALLAST_BYTES = 24 * 1024**2
BUSY_S_MAX = 30.0


class Disk(Protocol):
    """Where blobs lie.

    Attributes:
        read_only_text: What the service says of it when it is read-only.
    """

    folder: Path
    read_only_text: str

    def fill(self) -> None:
        """Leaves no room at all."""

    def make_room(self) -> None:
        """Frees what `fill` took, and more."""

    def make_read_only(self) -> None:
        """Refuses every write from now on."""

    def make_writable(self) -> None:
        """Takes writes again."""


@contextlib.contextmanager
def small_disk(folder: Path) -> Generator[Disk]:
    """Yields a new disk; takes it off behind the block. Only root may mount one, and CI is root."""
    folder.mkdir()
    if os.geteuid() != 0:
        yield Restricted(folder)
        return
    image = folder.with_name(f"{folder.name}.ext4")
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        with (folder / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, BALLAST_BYTES)
        yield Mounted(folder)
    finally:
        _run("umount", "-l", str(folder))


@dataclass
class Mounted:
    """An ext4 file system in a file, mounted."""

    folder: Path
    read_only_text: str = "the storage is read-only; mount it for writing"

    def fill(self) -> None:
        with (self.folder / "ballast").open("ab") as ballast, contextlib.suppress(OSError):
            while True:
                os.write(ballast.fileno(), bytes(4096))

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()

    def make_read_only(self) -> None:
        deadline = time.monotonic() + BUSY_S_MAX
        while True:
            try:
                _run("mount", "-o", "remount,ro", str(self.folder))
            except AssertionError:  # a file is open for writing
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return

    def make_writable(self) -> None:
        _run("mount", "-o", "remount,rw", str(self.folder))


@dataclass
class Restricted:
    """A folder of which the kernel refuses what a full, or a read-only, disk would refuse."""

    folder: Path
    read_only_text: str = "the storage answers with EACCES; check the data folder"

    def fill(self) -> None:
        self._limit_files(0)

    def make_room(self) -> None:
        self._limit_files(resource.RLIM_INFINITY)

    def make_read_only(self) -> None:
        self._set_mode(0o555)

    def make_writable(self) -> None:
        self._set_mode(0o755)

    def _limit_files(self, byte_count: int) -> None:
        """Sets the longest file that the workers may write; an open one does not grow either."""
        for serve in psutil.Process().children():
            for worker in serve.children():
                if worker.name() != "postgres":
                    worker.rlimit(resource.RLIMIT_FSIZE, (byte_count, resource.RLIM_INFINITY))

    def _set_mode(self, mode: int) -> None:
        for each in [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]:
            each.chmod(mode)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
