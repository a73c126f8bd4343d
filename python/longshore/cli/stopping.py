"""Ctrl-C and SIGTERM while nothing serves yet: leave every block, so that PostgreSQL is stopped."""

import signal
from types import FrameType

from longshore.embedded.signals import STOP_SIGNALS


def interrupt_on_signals() -> None:
    """Makes the first stop signal raise KeyboardInterrupt, and the process deaf to further ones."""
    for each in STOP_SIGNALS:
        signal.signal(each, _interrupt)


def ignore_signals() -> None:
    """Makes the process deaf: what runs now is the stopping itself."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    ignore_signals()
    raise KeyboardInterrupt
