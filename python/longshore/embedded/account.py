"""The user that PostgreSQL runs as: it refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from longshore.embedded.errors import EmbeddedError

ACCOUNT_NAME = "pgserver"
"""Made when root runs the service; the name that the wheel uses too."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group.

    Attributes:
        is_other: It is not the user who runs this process; only root can have that.
    """

    uid: int
    gid: int
    is_other: bool

    def run(
        self, command: list[str | Path], *, cwd: Path, timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end as this user, out of reach of the terminal's Ctrl-C.

        Raises:
            PermissionError: This user may not run it.
        """
        return subprocess.run(  # noqa: S603  # a program of the wheel
            command,
            cwd=cwd,
            user=self.uid if self.is_other else None,
            group=self.gid if self.is_other else None,
            extra_groups=[] if self.is_other else None,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env=environment(),
        )


def environment() -> dict[str, str]:
    """The environment without what would steer PostgreSQL (PGPORT, PGDATA …) or its language."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def account_for(folder: Path) -> Account:
    """Returns the user that may run PostgreSQL in a folder, which may not exist yet.

    Root takes the folder's owner, so that data of another user stay that user's, and an account of
    its own for a new folder.

    Raises:
        EmbeddedError: The folder belongs to another user, or no account can be made.
    """
    me = os.geteuid()
    owner = folder.stat().st_uid if folder.exists() else None
    if me != 0:
        if owner not in (None, me):
            msg = f"{folder} belongs to another user (uid {owner}); run as that user"
            raise EmbeddedError(msg)
        return Account(me, os.getegid(), is_other=False)
    entry = _own_account() if owner in (None, 0) else _entry(owner)
    return Account(entry.pw_uid, entry.pw_gid, is_other=True)


def _entry(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        msg = f"the database's folder belongs to uid {uid}, which has no account here; make one"
        raise EmbeddedError(msg) from None


def _own_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is not None:
        command = [useradd, "--system", "--user-group", "--no-create-home", ACCOUNT_NAME]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    try:
        return pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        msg = (
            "PostgreSQL does not run as root: run this as another user, "
            f"or make an account named {ACCOUNT_NAME} for it"
        )
        raise EmbeddedError(msg) from None
