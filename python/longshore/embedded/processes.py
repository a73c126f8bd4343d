"""Which PostgreSQL processes live in a folder.

The lock file `postmaster.pid` names a process id, which may be another process's by now (in a
container that started anew they are small numbers). A process's name and working directory tell.
"""

import contextlib
import time
from pathlib import Path

import psutil

from longshore.embedded.errors import EmbeddedError
from longshore.embedded.options import PORT

_POLL_S = 0.02
_LOCK_FILE = "postmaster.pid"
_SOCKET_LOCK_FILE = f".s.PGSQL.{PORT}.lock"


def lock_file_lines(folder: Path) -> list[str]:
    """Returns the lines of the server's lock file: process id first, state eighth; or none."""
    try:
        return (folder / _LOCK_FILE).read_text().splitlines()
    except FileNotFoundError:
        return []


def is_postgres_of(pid: int, folder: Path) -> bool:
    """Whether the process is a PostgreSQL one that works in the folder."""
    try:
        process = psutil.Process(pid)
        # an ended process that nobody waits for has a name but no working directory
        return process.name() in ("postgres", "initdb") and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False


def is_recovering(pid: int) -> bool:
    """Whether a server replays its log, after it was started or after a session of it crashed."""
    try:
        children = psutil.Process(pid).children()
    except psutil.Error:
        return False
    for child in children:
        with contextlib.suppress(psutil.Error):
            if ": startup" in " ".join(child.cmdline()):  # the title of the process that does it
                return True
    return False


def settle(folder: Path, *, wait_s_max: float) -> int | None:
    """Returns the process id of the folder's running server, or None when one may be started.

    Processes whose server was killed end by themselves when they notice; they are waited for, since
    a second server beside them would damage the data. Lock files that name a process of another
    kind are removed: PostgreSQL would take it for a server.

    Raises:
        EmbeddedError: They did not end.
    """
    lines = lock_file_lines(folder)
    pid = int(lines[0]) if lines and lines[0].strip().isdigit() else None
    if pid is not None and is_postgres_of(pid, folder):
        return pid
    end_all(folder, wait_s_max=wait_s_max)
    if pid is not None and psutil.pid_exists(pid):
        for name in (_LOCK_FILE, _SOCKET_LOCK_FILE):
            (folder / name).unlink(missing_ok=True)
    return None


def end_all(folder: Path, *, wait_s_max: float) -> None:
    """Ends every PostgreSQL process that works in the folder, and waits.

    Raises:
        EmbeddedError: They did not end.
    """
    left = [p for p in psutil.process_iter() if is_postgres_of(p.pid, folder)]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    deadline = time.monotonic() + wait_s_max
    for process in left:
        # psutil's own waiting takes an ended process that nobody reaps for a live one
        while is_postgres_of(process.pid, folder):
            if time.monotonic() > deadline:
                msg = f"process {process.pid} of an earlier PostgreSQL is still in {folder}; end it"
                raise EmbeddedError(msg)
            time.sleep(_POLL_S)
