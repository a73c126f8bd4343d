"""One process is started at a time."""

import os
import threading

STARTING = threading.Lock()
"""Held while this process starts another one: PostgreSQL, or, by itself, a forked worker.

Starting a program waits for a pipe to be closed. A worker that another thread forks in that moment
inherits the pipe, and keeps it open as long as it lives.
"""

os.register_at_fork(
    before=STARTING.acquire, after_in_parent=STARTING.release, after_in_child=STARTING.release
)
