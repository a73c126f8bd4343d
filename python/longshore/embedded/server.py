"""Starts and stops the embedded PostgreSQL.

One folder, one server. Whoever calls this holds the data folder's lock: two callers on one folder
are not expected here.
"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from longshore.embedded import processes
from longshore.embedded.account import Account, account_for
from longshore.embedded.errors import EmbeddedError
from longshore.embedded.launch import folder_argument, last_complaint, launch, log_of
from longshore.embedded.options import PORT
from longshore.embedded.programs import POSTGRES_VERSION, programs_for
from longshore.embedded.signals import HeldSignals

START_S_MAX = 600.0  # recovery reads up to max_wal_size again; a slow disk needs minutes
STOP_S_MAX = 120.0  # the last checkpoint writes shared_buffers at most
INITDB_S_MAX = 300.0
_SOCKET_PATH_BYTES_MAX = 107 if os.uname().sysname == "Linux" else 103  # sun_path less its NUL
_POLL_S = 0.02


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server.

    Attributes:
        dsn: How to reach it: a URI for libpq.
        is_adopted: It was found running, left behind by a process that was killed.
    """

    folder: Path
    pid: int
    dsn: str
    is_adopted: bool
    _process: subprocess.Popen[bytes] | None = field(repr=False)
    _shortcut: Path | None = field(repr=False)
    _launch: Callable[[], subprocess.Popen[bytes]] = field(repr=False)

    def is_running(self) -> bool:
        """Whether the server's first process lives."""
        if self._process is not None:
            return self._process.poll() is None
        return processes.is_postgres_of(self.pid, self.folder)

    def is_ready(self) -> bool:
        """Whether it accepts connections, as it says of itself."""
        lines = processes.lock_file_lines(self.folder)
        # the eighth line is the state, which PostgreSQL keeps for pg_ctl
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def has_obeyed(self) -> bool:
        """Whether a server that runs no more ended as it was told to."""
        return self._process is not None and self._process.returncode == 0

    def ending(self) -> str:
        """How a server that runs no more ended, in a few words."""
        code = None if self._process is None else self._process.returncode
        if code is None:
            return "it is not known how"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def complaint(self) -> str:
        """Why it did not start, as its log has it."""
        return last_complaint(log_of(self.folder))

    def start_again(self, starting: AbstractContextManager[object]) -> None:
        """Starts a server that has ended, with the same DSN; does not wait until it is ready.

        What is left of its sessions is ended first. `starting` is held while the process starts.

        Raises:
            EmbeddedError: They did not end.
        """
        pid = processes.settle(self.folder, wait_s_max=STOP_S_MAX)
        if pid is None:
            with starting:
                self._process = self._launch()
            pid = self._process.pid
        else:
            self._process = None
        self.pid, self.is_adopted = pid, self._process is None

    def stop(self) -> None:
        """Ends sessions, writes the last checkpoint and waits until the server is gone.

        A server that takes longer than `STOP_S_MAX` seconds is ended at once, and so is one that is
        recovering: PostgreSQL 18 never ends when a fast stop comes while it recovers from a crash.
        It loses nothing, and recovers when it starts again.
        """
        self._send(signal.SIGINT)  # PostgreSQL: fast
        deadline = time.monotonic() + STOP_S_MAX
        while self.is_running():
            if time.monotonic() > deadline or processes.is_recovering(self.pid):
                self._send(signal.SIGQUIT)  # immediate
                self._wait_for_end(STOP_S_MAX)
                break
            time.sleep(_POLL_S)
        if self._shortcut is not None:
            shutil.rmtree(self._shortcut.parent, ignore_errors=True)

    def _send(self, stop_signal: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.is_running():
                os.kill(self.pid, stop_signal)

    def _wait_for_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


@contextlib.contextmanager
def running(folder: Path, *, connection_count_max: int) -> Generator[EmbeddedPostgres]:
    """Yields the server of a folder; stops it behind the block. Arguments and errors as `start`."""
    held = HeldSignals()
    server = _start(folder, connection_count_max, held)
    try:
        held.release()
        yield server
    finally:
        server.stop()


def start(folder: Path, *, connection_count_max: int) -> EmbeddedPostgres:
    """Returns the server of a folder when it answers; makes the folder when there is none.

    Args:
        folder: Absolute; its parent exists. The log goes beside it, `{folder}.log`.
        connection_count_max: Connections that the service may hold at once.

    Raises:
        EmbeddedError: It cannot be made or started; the text says what to do.
    """
    held = HeldSignals()
    server = _start(folder, connection_count_max, held)
    held.release()
    return server


def _start(folder: Path, connection_count_max: int, held: HeldSignals) -> EmbeddedPostgres:
    """Starts the server; returns with stop signals held, so that the caller can see to its end."""
    _remove_unfinished(folder)
    account = account_for(folder)
    programs = programs_for(account)
    if not folder.exists():
        _initialize(folder, account, programs)
    _check_version(folder)
    pid = processes.settle(folder, wait_s_max=STOP_S_MAX)
    process = None
    shortcut = _shortcut(folder)
    held.hold()
    try:
        start_process = functools.partial(launch, folder, account, programs, connection_count_max)
        if pid is None:
            process = start_process()
            pid = process.pid
        dsn = dsn_of(shortcut or folder)
        server = EmbeddedPostgres(
            folder, pid, dsn, process is None, process, shortcut, start_process
        )
        try:
            held.release()
            _wait_until_ready(server)
            held.hold()
        except BaseException:
            server.stop()
            raise
    except BaseException:
        held.release()
        raise
    return server


def _initialize(folder: Path, account: Account, programs: Path) -> None:
    """Makes the folder under another name and renames it when it is whole."""
    unfinished = _unfinished(folder)
    unfinished.mkdir(mode=0o700)
    if account.is_other:
        os.chown(unfinished, account.uid, account.gid)
    command: list[str | Path] = [programs / "initdb", "-D", folder_argument(unfinished, account)]
    # The built-in C.UTF-8 sorts by code point and folds every letter, on all machines alike.
    command += ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]
    done = account.run(command, cwd=unfinished, timeout_s=INITDB_S_MAX)
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        reason = done.stderr.strip().splitlines() or ["it does not say why"]
        msg = f"the database cannot be made in {folder}: {reason[0]}"
        raise EmbeddedError(msg)
    unfinished.rename(folder)
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unfinished")


def _remove_unfinished(folder: Path) -> None:
    """Removes what a start left that was killed while it made the folder."""
    unfinished = _unfinished(folder)
    if unfinished.exists():
        processes.end_all(unfinished, wait_s_max=STOP_S_MAX)
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_version(folder: Path) -> None:
    try:
        found = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        msg = f"{folder} is not a database's folder ({error.strerror}); move it away"
        raise EmbeddedError(msg) from error
    if found != str(POSTGRES_VERSION):
        msg = (
            f"{folder} is of PostgreSQL {found}, this is {POSTGRES_VERSION}: "
            "move it away and run `longshore rebuild-index`"
        )
        raise EmbeddedError(msg)


def _wait_until_ready(server: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + START_S_MAX
    log = log_of(server.folder)
    while not server.is_ready():
        if not server.is_running():
            msg = f"PostgreSQL did not start: {last_complaint(log)} (all of it: {log})"
            raise EmbeddedError(msg)
        if time.monotonic() > deadline:
            msg = f"PostgreSQL is not ready after {START_S_MAX:.0f} s; its log is {log}"
            raise EmbeddedError(msg)
        time.sleep(_POLL_S)


def _shortcut(folder: Path) -> Path | None:
    """Returns a short name for the folder when its socket's path is longer than a socket's may be.

    PostgreSQL binds the socket by its relative path; only clients need the whole one.
    """
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES_MAX:
        return None
    shortcut = Path(tempfile.mkdtemp(prefix="longshore-")) / "postgres"
    shortcut.symlink_to(folder)
    return shortcut


def dsn_of(folder: Path) -> str:
    """Returns the DSN of the server whose files are in this folder; short enough for a socket."""
    host = urllib.parse.quote(str(folder), safe="")
    return f"postgresql://postgres@/postgres?host={host}&port={PORT}"
