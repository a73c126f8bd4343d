"""The service as users run it: `longshore serve` in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from longshore.embedded.server import dsn_of
from tests.support.ports import free_port

START_S_MAX = 60.0
STOP_S_MAX = 60.0


@dataclass
class Service:
    """A running service."""

    data: Path
    port: int
    arguments: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> str:
        """The DSN of the running service's database."""
        return dsn_of(self.data / "postgres")

    @property
    def log(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        assert self.process is not None
        found: list[psutil.Process] = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() != "postgres":
                    found.append(child)
        return found

    def start(self) -> None:
        """Starts the service and waits until it is healthy."""
        command = [sys.executable, "-m", "longshore", "serve", "--port", str(self.port)]
        command += ["--data", str(self.data), *self.arguments]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LONGSHORE_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environ, start_new_session=True
            )
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it did not start:\n{self.log.read_text()[-4000:]}"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health/check", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        msg = f"not healthy within {START_S_MAX} s:\n{self.log.read_text()[-4000:]}"
        raise AssertionError(msg)

    def stop(self) -> None:
        """Stops the service as an operator does."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=STOP_S_MAX)
        self.process = None
        assert code == 0, f"exit code {code}:\n{self.log.read_text()[-4000:]}"

    def kill(self) -> None:
        """Kills the service and its workers at once; the database goes on or not, as it likes."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=STOP_S_MAX)
            self.process = None


@contextlib.contextmanager
def running(data: Path, *arguments: str, port: int = 0) -> Generator[Service]:
    """Yields a service on a port, by default a free one; stops it behind the block."""
    service = Service(data, port or free_port(), arguments)
    service.start()
    try:
        yield service
    finally:
        if service.process is not None:
            service.stop()
