"""Endless work in the background: what goes wrong in one round is logged, and the next follows."""

import asyncio
import contextlib
import logging
from collections.abc import Generator

from longshore.errors import LongshoreError, without_values


@contextlib.contextmanager
def surviving(log: logging.Logger, what: str) -> Generator[None]:
    """Logs the error that ends the block, and goes on behind it.

    A stop stays a stop, also where an error meets it on its way out, as from a connection that is
    lost in that moment: the error takes the place of the cancellation, which comes only once.

    Args:
        log: Where the error is written.
        what: What failed, as the beginning of the line.
    """
    try:
        yield
    except Exception as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        if isinstance(error, LongshoreError):
            log.warning("%s: %s", what, error)
        else:
            log.error("%s: %s", what, without_values(error))
