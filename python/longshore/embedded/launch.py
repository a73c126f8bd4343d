"""The server's process and its log."""

import subprocess
from pathlib import Path

from longshore.embedded.account import Account, environment
from longshore.embedded.options import options

LOG_BYTES_MAX = 16 * 1024**2
_COMPLAINT_LINES = 10


def launch(
    folder: Path, account: Account, programs: Path, connection_count_max: int
) -> subprocess.Popen[bytes]:
    """Starts `postgres` in a folder; its log grows to `LOG_BYTES_MAX` and a second such file."""
    log = log_of(folder)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))
    command = [str(programs / "postgres"), "-D", folder_argument(folder, account)]
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


def folder_argument(folder: Path, account: Account) -> str:
    """How PostgreSQL is told its folder, which is also its working directory.

    Another user's process may not be allowed to enter the folders above (root's home, say). It need
    not: a working directory is inherited open, and this name leads to it without a way.
    """
    return "/proc/self/cwd" if account.is_other else str(folder)


def log_of(folder: Path) -> Path:
    """Where the server of a folder writes its log."""
    return folder.with_name(f"{folder.name}.log")


def last_complaint(log: Path) -> str:
    """Returns why the server ended: its last FATAL or PANIC line, else its last line."""
    lines = log.read_text(errors="replace").splitlines()[-_COMPLAINT_LINES:]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    last = (fatal or lines or ["it does not say why"])[-1]
    return last.rpartition("FATAL:")[2].rpartition("PANIC:")[2].strip()
