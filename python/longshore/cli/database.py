"""The database that a command works on: the one that is set, or the embedded one."""

import contextlib
import dataclasses
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

from longshore.cli.folder import held
from longshore.cli.starting import STARTING
from longshore.embedded.server import START_S_MAX, running
from longshore.embedded.supervision import supervised
from longshore.errors import Unavailable
from longshore.index.ask import LINE_COUNT_MAX
from longshore.index.migrate import migrate
from longshore.settings import Settings

COMMAND_CONNECTIONS = 20
"""Connections beside those of the workers: migrations, commands."""
_POLL_S = 0.1


def embedded_folder(settings: Settings) -> Path:
    """Where the embedded server keeps its files."""
    return settings.data / "postgres"


def held_data(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Holds the data folder, when the database is in it.

    With a database elsewhere, any number of services may share the rest.
    """
    return contextlib.nullcontext() if settings.database else held(settings.data)


@contextlib.contextmanager
def answering(settings: Settings) -> Generator[Settings]:
    """Yields the settings with the DSN of a server that answers; the caller holds the data.

    The embedded server is started again if it ends within the block.

    Raises:
        EmbeddedError: The embedded server does not start.
    """
    if settings.database:
        yield settings
        return
    count = settings.workers * (settings.connection_count + LINE_COUNT_MAX) + COMMAND_CONNECTIONS
    with (
        running(embedded_folder(settings).resolve(), connection_count_max=count) as server,
        supervised(server, report=_report, starting=STARTING),
    ):
        yield dataclasses.replace(settings, database=server.dsn)


@contextlib.contextmanager
def opened(settings: Settings) -> Generator[Settings]:
    """Holds the data, starts the database, migrates it; yields the settings with its DSN.

    Raises:
        LongshoreError: Any of that cannot be done.
    """
    with held_data(settings), answering(settings) as ready:
        migrated(settings, ready)
        yield ready


def migrated(settings: Settings, ready: Settings) -> list[str]:
    """Migrates the database that answers under `ready`; returns what was applied.

    An embedded server that was left running may just be recovering from a crash, while its lock
    file still calls it ready: it is waited for.

    Raises:
        Unavailable: The database does not answer.
    """
    deadline = time.monotonic() + (0.0 if settings.database else START_S_MAX)
    while True:
        try:
            return migrate(ready.database)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _report(line: str) -> None:
    """Writes a line without taking a lock that a worker might inherit taken."""
    os.write(sys.stderr.fileno(), f"longshore: {line}\n".encode())
