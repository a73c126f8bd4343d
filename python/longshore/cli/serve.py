"""`longshore serve`: checks what can be checked, starts the database, then the workers."""

import importlib
import importlib.metadata
import re
import urllib.parse

from longshore.cli.address import check_address, url
from longshore.cli.database import answering, embedded_folder, held_data, migrated
from longshore.cli.server import run_server
from longshore.cli.stopping import interrupt_on_signals
from longshore.dicom import DEFAULT_PARTITION_NAME
from longshore.index.partitions import has_other_partitions
from longshore.settings import SettingError, Settings, option

TARGET = "longshore.app:create_app"


def run(settings: Settings) -> int:
    """Serves until a signal comes."""
    importlib.import_module("longshore._native")  # a worker would miss it with a traceback
    return serve(settings, target=TARGET)


def serve(settings: Settings, *, target: str) -> int:
    """Serves an application until a signal comes; returns the exit code.

    What was started last is stopped first: workers, PostgreSQL, the hold on the data folder.

    Args:
        settings: With or without a database.
        target: `module:function`; the function returns the ASGI application.

    Raises:
        LongshoreError: It cannot start; the text is one line that says what to do.
    """
    interrupt_on_signals()
    try:
        with held_data(settings):
            check_address(settings.host, settings.port)
            with answering(settings) as ready:
                migrated(settings, ready)
                check_partitions(ready)
                return run_server(ready, target=target, greeting=greeting(settings))
    except KeyboardInterrupt:
        return 0


def check_partitions(ready: Settings) -> None:
    """Refuses to hide what is stored: without the feature, only the default partition is reached.

    Raises:
        SettingError: The feature is off, and there are other partitions.
    """
    if not ready.partitions and has_other_partitions(ready.database):
        msg = (
            f"{option('partitions')}: cannot be off any more, since data have been stored in"
            f" partitions; start with {option('partitions')} on"
        )
        raise SettingError(msg)


def greeting(settings: Settings) -> str:
    """Says in a few lines what runs where. No password, no key."""
    version = importlib.metadata.version("longshore")
    address = url(settings.host, settings.port)
    count = f"{settings.workers} worker{'s' if settings.workers > 1 else ''}"
    partition = f"/partitions/{DEFAULT_PARTITION_NAME}" if settings.partitions else ""
    database = "PostgreSQL as set"
    if not settings.database:
        database = f"embedded PostgreSQL in {embedded_folder(settings)}"
    return "\n".join(
        [
            f"longshore {version} serves on {address} with {count}; Ctrl-C stops it",
            f"  data      {settings.data}",
            f"  database  {database}",
            f"  blobs     {_blobs_text(settings)}",
            f"  try       curl -H 'Content-Type: application/dicom' --data-binary @file.dcm"
            f" {address}/v2{partition}/studies",
        ]
    )


def _blobs_text(settings: Settings) -> str:
    """Names the blob store; a connection string holds a key, a URL's query may."""
    blobs = settings.blobs
    if blobs == "local":
        return str(settings.data / "blobs")
    if re.match(r"[a-z]+://", blobs):
        parts = urllib.parse.urlsplit(blobs)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    account = re.search(r"AccountName=([a-z0-9]+)", blobs)
    return f"Azure Blob Storage, account {account[1]}" if account else "Azure Blob Storage"
