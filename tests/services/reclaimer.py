"""A process that gives space back until it is killed: `python -m tests.services.reclaimer`.

It prints a line when it begins. With `--die-at-steps` it reads numbers, and a fork of it dies by
SIGKILL just before that step; then it prints the exit code. A step is every statement sent to the
index and everything asked of the storage.
"""

import argparse
import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from longshore.blobs.local import LocalBlobStore, _LocalWriter
from longshore.index import turns
from longshore.services.reclaim import reclaim_forever
from longshore.settings import Settings
from tests.services.shop import AT_ONCE, Shop, opened

ROOT = Path(__file__).parents[2]


def spawn(shop: Shop, *options: str) -> subprocess.Popen[str]:
    """Starts such a process beside a service; returns when it begins its work."""
    settings = shop.settings
    command = [sys.executable, "-m", "tests.services.reclaimer", *options]
    command += ["--dsn", settings.database, "--data", str(settings.data)]
    command += ["--blobs", settings.blobs]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
    assert said(process) == "begins"
    return process


def said(process: subprocess.Popen[str]) -> str:
    """Waits for a line of such a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> int:
    """Kills such a process, if it still runs; returns its exit code."""
    process.kill()
    with process:
        return process.wait()


def say(text: str) -> None:
    """Tells the test."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def die_at(step: int) -> None:
    """Makes this process kill itself before its n-th step, 1-based."""
    left = step

    def counted(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(work)
        async def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return await work(*args, **kwargs)

        return run

    for owner, names in (
        (psycopg.AsyncConnection, ["execute"]),
        (LocalBlobStore, ["put", "open_writer", "delete"]),
        (_LocalWriter, ["write", "commit"]),
    ):
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))


@contextlib.asynccontextmanager
async def always_ours(*_: object) -> AsyncGenerator[bool]:
    """The turn, as it is when PostgreSQL restarted and the lock was lost in the middle of it."""
    yield True


async def run(arguments: argparse.Namespace) -> None:
    settings = Settings(database=arguments.dsn, data=Path(arguments.data), blobs=arguments.blobs)
    rules = replace(AT_ONCE, sweep_grace_s=arguments.grace_s, sweep_interval_s=0.001)
    async with opened(settings) as shop:
        if arguments.die_at_steps:
            die_at(arguments.die_at)
        else:
            say("begins")
        if arguments.forever:
            await reclaim_forever(shop.database, shop.blobs, rules)
        await shop.reclaim(rules)


def run_apart(arguments: argparse.Namespace) -> int:
    """Runs in a fork, which spares it the imports; returns its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        asyncio.run(run(arguments))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--data", "--blobs"):
        parser.add_argument(name, required=True)
    parser.add_argument("--die-at-steps", action="store_true")
    parser.add_argument("--grace-s", type=float, default=0.0)
    parser.add_argument("--forever", action="store_true")
    parser.add_argument("--without-turn", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_turn:
        turns.take_turn = always_ours
    if not arguments.die_at_steps:
        asyncio.run(run(arguments))
        return
    say("begins")
    for line in sys.stdin:
        arguments.die_at = int(line)
        say(str(run_apart(arguments)))


if __name__ == "__main__":
    main()
