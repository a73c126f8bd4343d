"""What a worker does before it serves."""

import gc
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from longshore.errors import LongshoreError
from longshore.settings import SettingError

PARENT_POLL_S = 0.5
STOP_S_MAX = 30.0
"""How long the requests under way may take when the service stops, in seconds."""


def load_app(target: str, *, parent_pid: int) -> Callable[..., Any]:
    """Returns the ASGI application for granian, inside a new worker.

    Args:
        target: `module:function`; the function makes the application.
        parent_pid: The process that stops this one. When it is gone, nobody would.
    """
    # Ctrl-C reaches every process of the terminal; here only the parent decides (by SIGTERM).
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Until granian listens to it; the parent's own way of stopping was inherited by the fork.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    watch = threading.Thread(target=_end_with, args=[parent_pid], name="parent", daemon=True)
    watch.start()
    module, _, name = target.partition(":")
    try:
        app = getattr(importlib.import_module(module), name)()
    except (LongshoreError, SettingError) as error:
        print(f"longshore: {error}", file=sys.stderr)
        sys.exit(1)
    # Cyclic garbage is not looked for among what is there from the start.
    gc.collect()
    gc.freeze()
    return app


def _end_with(parent_pid: int) -> None:
    """Ends this process when its parent has ended (kill -9 leaves nobody to say so)."""
    while os.getppid() == parent_pid:
        time.sleep(PARENT_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_S_MAX)
    os._exit(1)
