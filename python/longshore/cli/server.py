"""granian: one process per worker, started, watched and stopped."""

import contextlib
import functools
import http.client
import os
import resource
import signal
import sys
import threading
import time

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from longshore.cli import lost_workers
from longshore.cli.address import reachable, resolved
from longshore.cli.stopping import ignore_signals
from longshore.cli.worker import STOP_S_MAX, load_app
from longshore.settings import Settings, environ_of

CONNECTIONS_PER_WORKER_MAX = 1_000  # granian accepts no more until one closes
BACKLOG = 1_024  # connections that the kernel keeps until then
PING_S_MAX = 20  # an HTTP/2 client that does not answer a ping is gone
_PROBE_S_MAX = 2.0
_POLL_S = 0.02

_LOG_CONFIG = {
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr",
        },
        "access": {"class": "logging.NullHandler"},
    },
}


def run_server(settings: Settings, *, target: str, greeting: str) -> int:
    """Serves until a signal comes or no worker can live; returns the exit code.

    A worker that dies after the first answer is replaced; one that dies before it ends the start,
    and so does one that dies within seconds of being replaced.

    Args:
        settings: With a database; the workers get them through the environment.
        target: `module:function`; the function returns the ASGI application.
        greeting: Printed when the first request is answered.
    """
    os.environ.update(environ_of(settings))
    _allow_many_files()
    server = MPServer(
        target,
        address=resolved(settings.host, settings.port),
        port=settings.port,
        interface=Interfaces.ASGI,  # RSGI would take an upload that was cut off for a whole one
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.auto,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.header_s_max * 1_000)),
        # HTTP/2 connections may be idle as long as their client answers.
        http2_settings=HTTP2Settings(
            keep_alive_interval=round(settings.header_s_max * 1_000),
            keep_alive_timeout=PING_S_MAX,
        ),
        backlog=BACKLOG,
        backpressure=CONNECTIONS_PER_WORKER_MAX,
        workers_kill_timeout=int(STOP_S_MAX),
        log_level=LogLevels.warning,
        log_dictconfig=_LOG_CONFIG,
        log_access=False,
    )
    # A closed terminal means stop; granian would start new workers.
    server.on_startup(lambda: signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM)))
    watch = threading.Thread(target=_greet_when_up, args=[server, settings, greeting], daemon=True)
    watch.start()
    code = 0
    try:
        server.serve(target_loader=functools.partial(load_app, parent_pid=os.getpid()))
    except SystemExit:
        code = 0 if server.interrupt_signal else 1
    ignore_signals()
    if code != 0:
        print("longshore: the workers ended; the reason stands above", file=sys.stderr)
    return code


def _allow_many_files() -> None:
    """Raises the limit of open files, 1,024 on many machines, to what the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _greet_when_up(server: MPServer, settings: Settings, greeting: str) -> None:
    """Waits for the first answer, says so, and has workers replaced from then on."""
    # Nothing that takes a lock before the last fork: a worker would inherit it taken.
    while len(server.wrks) < server.workers:
        time.sleep(_POLL_S)
    while not _answers(reachable(settings.host), settings.port):
        if server.main_loop_interrupt.is_set():
            return
        time.sleep(_POLL_S)
    server.respawn_failed_workers = True
    print(greeting, flush=True)
    lost_workers.watch(server)


def _answers(host: str, port: int) -> bool:
    """Whether anything answers a request there, whatever the status."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_S_MAX)
    try:
        connection.request("GET", "/health/check")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
