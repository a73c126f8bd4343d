"""`serve` in a process of its own, with a small application instead of the service's."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from longshore.errors import Unavailable
from tests.support.ports import free_port

START_S_MAX = 60.0
STOP_S_MAX = 60.0
ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
from longshore.cli.main import reported
from longshore.cli.serve import serve
from longshore.settings import settings_from
sys.exit(reported(lambda: serve(settings_from(os.environ), target=sys.argv[1])))
"""

Message = dict[str, Any]


def small_app() -> Callable[..., Awaitable[None]]:
    """Returns an ASGI application: `/add` adds a row, any other path answers after `?seconds`."""

    async def app(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        body = str(os.getpid())
        if scope["path"] == "/add":
            body = await add_row(os.environ["LONGSHORE_DATABASE"])
        await asyncio.sleep(float(scope["query_string"] or 0))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body.encode()})

    return app


async def add_row(dsn: str) -> str:
    """Adds a row; returns how many there are."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS small (x integer)")
        await connection.execute("INSERT INTO small VALUES (1)")
        found = await (await connection.execute("SELECT count(*) FROM small")).fetchone()
    assert found is not None
    return str(found[0])


def broken_app() -> Callable[..., Awaitable[None]]:
    """Cannot be made."""
    msg = "broken on purpose"
    raise RuntimeError(msg)


def misused_app() -> Callable[..., Awaitable[None]]:
    """Cannot be made, and says what to do."""
    msg = "the storage does not answer; check --blobs"
    raise Unavailable(msg)


@dataclass
class Serving:
    """A process of `serve`, a session leader: its group are its workers, not PostgreSQL."""

    data: Path
    port: int = field(default_factory=free_port)
    target: str = "tests.support.processes:small_app"
    workers: int = 2
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _log(self) -> Path:
        return self.data.with_name(f"{self.data.name}.log")

    def text(self) -> str:
        """What it printed, on both outputs."""
        return self._log.read_text()

    def spawn(self) -> None:
        """Starts it and returns at once."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("LONGSHORE_")}
        environ |= {"LONGSHORE_DATA": str(self.data), "LONGSHORE_PORT": str(self.port)}
        environ |= {"LONGSHORE_WORKERS": str(self.workers)}
        command = [sys.executable, "-c", PROGRAM, self.target]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environ, cwd=ROOT, start_new_session=True
            )

    def start(self) -> None:
        """Starts it and waits until it says that it serves."""
        self.spawn()
        deadline = time.monotonic() + START_S_MAX
        while "serves on" not in self.text():
            assert self.running.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def get(self, path: str) -> str:
        """Returns the body of an answer."""
        answer = httpx.get(f"{self.url}{path}", timeout=30)
        assert answer.status_code == 200
        return answer.text

    def wait(self) -> int:
        """Returns the exit code, when it is there."""
        code = self.running.wait(timeout=STOP_S_MAX)
        self.process = None
        return code

    def stop(self) -> int:
        """Stops it as an operator does."""
        self.running.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kills it with its workers, and whatever PostgreSQL it leaves; for the end of a test."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for process in postgres_processes(self.data):
            with contextlib.suppress(psutil.Error):
                process.kill()


def postgres_processes(data: Path) -> list[psutil.Process]:
    """The PostgreSQL processes that work in a data folder."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres" and process.cwd() == str(data / "postgres"):
                found.append(process)
    return found
