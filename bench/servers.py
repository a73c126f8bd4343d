"""What is measured, each in processes of its own: the service, and the machine's limit."""

import contextlib
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

START_S_MAX = 60.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    pid: int


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
    with _running("longshore", port, command, "/health/check", folder) as server:
        yield server


@contextlib.contextmanager
def limit(folder: Path, workers: int, file: Path) -> Generator[Server]:
    """Runs the bare app that drains bodies into files, or sends one file."""
    port = free_port()
    (folder / "limit").mkdir()
    command = [sys.executable, "-m", "granian", "--interface", "asginl", "--no-log"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    command += ["bench.limit_app:app"]
    environ = {"LIMIT_FOLDER": str(folder / "limit"), "LIMIT_FILE": str(file)}
    with _running("limit", port, command, "/", folder, environ) as server:
        yield server


@contextlib.contextmanager
def _running(
    name: str,
    port: int,
    command: list[str],
    path: str,
    folder: Path,
    environ: dict[str, str] | None = None,
) -> Generator[Server]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(environ or {})}
        )
    try:
        _wait(port, path, process, folder / f"{name}.log")
        yield Server(name, port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


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
