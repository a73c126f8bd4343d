"""What is measured, each in processes of its own: the service, and the machine's limit."""

import contextlib
import dataclasses
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

SERVICE, LIMIT = "longshore", "limit"
START_S_MAX = 60.0
STOP_S_MAX = 180.0


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        root: What stands before `/studies` in its URLs.
    """

    name: str
    port: int
    pid: int
    root: str = ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(folder: Path, workers: int) -> Generator[Server]:
    """Runs the service as users do, on an embedded PostgreSQL and local packs."""
    port = free_port()
    command = [sys.executable, "-m", "longshore", "serve", "--port", str(port)]
    command += ["--data", str(folder / "data"), "--workers", str(workers)]
    with running(SERVICE, port, command, "/health/check", folder) as server:
        yield dataclasses.replace(server, root="/v2")


@contextlib.contextmanager
def limit(folder: Path, workers: int, *, file: Path | None = None) -> Generator[Server]:
    """Runs the bare app that drains bodies into files, or sends one file."""
    port = free_port()
    (folder / LIMIT).mkdir()
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--no-log"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command += ["bench.limit_app:app"]
    environ = {"LIMIT_FOLDER": str(folder / LIMIT), "LIMIT_FILE": str(file or os.devnull)}
    with running(LIMIT, port, command, "/", folder, environ) as server:
        yield server


@contextlib.contextmanager
def drain(folder: Path) -> Generator[Server]:
    """Runs the bare app with one worker that drains bodies and writes nothing."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--no-log"]
    command += ["--host", "127.0.0.1", "--port", str(port), "bench.limit_app:app"]
    environ = {"LIMIT_FOLDER": "", "LIMIT_FILE": os.devnull}
    with running("drain", port, command, "/", folder, environ) as server:
        yield server


@contextlib.contextmanager
def running(
    name: str,
    port: int,
    command: list[str],
    path: str,
    folder: Path,
    environ: dict[str, str] | None = None,
) -> Generator[Server]:
    """Runs a command until the block ends; yields when `path` is answered."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(environ or {})}
        )
    try:
        _wait(port, path, process, folder / f"{name}.log")
        yield Server(name, port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=STOP_S_MAX)


def _wait(port: int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            msg = f"it did not start: {log.read_text()}"
            raise RuntimeError(msg)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            connection.getresponse().read()
            return
        time.sleep(0.05)
    msg = f"it does not answer: {log.read_text()}"
    raise RuntimeError(msg)
