"""Starts and stops the embedded PostgreSQL.

One folder, one server. Whoever calls this holds the data folder's lock: two callers on one folder
are not expected here.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from longshore.embedded import processes
from longshore.embedded.account import Account, account_for, environment
from longshore.embedded.errors import EmbeddedError
from longshore.embedded.options import PORT, options
from longshore.embedded.programs import POSTGRES_VERSION, programs_for
from longshore.embedded.signals import HeldSignals

START_S_MAX = 600.0  # recovery reads up to max_wal_size again; a slow disk needs minutes
STOP_S_MAX = 120.0  # the last checkpoint writes shared_buffers at most
INITDB_S_MAX = 300.0
LOG_BYTES_MAX = 16 * 1024**2
_SOCKET_PATH_BYTES_MAX = 107 if os.uname().sysname == "Linux" else 103  # sun_path less its NUL
_POLL_S = 0.02
_COMPLAINT_LINES = 10


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

    def is_running(self) -> bool:
        """Whether the server's first process lives."""
        if self._process is not None:
            return self._process.poll() is None
        return processes.is_postgres_of(self.pid, self.folder)

    def stop(self) -> None:
        """Ends sessions, writes the last checkpoint and waits until the server is gone.

        A server that takes longer than `STOP_S_MAX` seconds is ended at once; it loses nothing, and
        recovers when it starts again.
        """
        for stop_signal in (signal.SIGINT, signal.SIGQUIT):  # PostgreSQL: fast, immediate
            with contextlib.suppress(ProcessLookupError):
                if self.is_running():
                    os.kill(self.pid, stop_signal)
            if self._ended_within(STOP_S_MAX):
                break
        if self._shortcut is not None:
            shutil.rmtree(self._shortcut.parent, ignore_errors=True)

    def _ended_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True


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
        if pid is None:
            process = _launch(folder, account, programs, connection_count_max)
            pid = process.pid
        dsn = dsn_of(shortcut or folder)
        server = EmbeddedPostgres(folder, pid, dsn, process is None, process, shortcut)
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
    command: list[str | Path] = [programs / "initdb", "-D", _folder_argument(unfinished, account)]
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


def _folder_argument(folder: Path, account: Account) -> str:
    """How PostgreSQL is told its folder, which is also its working directory.

    Another user's process may not be allowed to enter the folders above (root's home, say). It need
    not: a working directory is inherited open, and this name leads to it without a way.
    """
    return "/proc/self/cwd" if account.is_other else str(folder)


def _launch(
    folder: Path, account: Account, programs: Path, connection_count_max: int
) -> subprocess.Popen[bytes]:
    log = folder.with_name(f"{folder.name}.log")
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))
    command = [str(programs / "postgres"), "-D", _folder_argument(folder, account)]
    command += options(connection_count_max=connection_count_max)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  # a program of the wheel
            command,
            cwd=folder,
            user=account.uid if account.is_other else None,
            group=account.gid if account.is_other else None,
            extra_groups=[] if account.is_other else None,
            # a session of its own: the terminal's Ctrl-C must not stop it before the workers
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
        )


def _wait_until_ready(server: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + START_S_MAX
    while True:
        lines = processes.lock_file_lines(server.folder)
        # the eighth line is the state, which PostgreSQL keeps for pg_ctl
        if len(lines) >= 8 and int(lines[0]) == server.pid and lines[7].strip() == "ready":
            return
        log = server.folder.with_name(f"{server.folder.name}.log")
        if not server.is_running():
            msg = f"PostgreSQL did not start: {_last_complaint(log)} (all of it: {log})"
            raise EmbeddedError(msg)
        if time.monotonic() > deadline:
            msg = f"PostgreSQL is not ready after {START_S_MAX:.0f} s; its log is {log}"
            raise EmbeddedError(msg)
        time.sleep(_POLL_S)


def _last_complaint(log: Path) -> str:
    """Returns why the server ended: its last FATAL or PANIC line, else its last line."""
    lines = log.read_text(errors="replace").splitlines()[-_COMPLAINT_LINES:]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    last = (fatal or lines or ["it does not say why"])[-1]
    return last.rpartition("FATAL:")[2].rpartition("PANIC:")[2].strip()


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
