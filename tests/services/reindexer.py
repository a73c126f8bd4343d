"""A process that indexes until it dies: `python -m tests.services.reindexer`.

Like `tests.services.reclaimer`, with the same options and the same steps to die before.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from longshore.index import reindex as index_reindex
from longshore.services import reindex as service
from longshore.settings import Settings
from tests.services.reclaimer import ROOT, die_at, said, say
from tests.services.shop import Shop, opened

BATCH_COUNT = 3
"""Instances of a transaction: few, so that there are many moments to die at."""


def spawn(shop: Shop, *options: str) -> subprocess.Popen[str]:
    """Starts such a process beside a service; returns when it begins its work."""
    settings = shop.settings
    command = [sys.executable, "-m", "tests.services.reindexer", *options]
    command += ["--dsn", settings.database, "--data", str(settings.data)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
    assert said(process) == "begins"
    return process


def small_steps() -> None:
    """Makes this process write often, and end an operation at once."""
    index_reindex.BATCH_COUNT_MAX = BATCH_COUNT
    service.SEEN_S = 0.0


async def run(arguments: argparse.Namespace) -> None:
    settings = Settings(database=arguments.dsn, data=Path(arguments.data))
    async with opened(settings) as shop:
        if arguments.forever:
            say("begins")
            while True:
                await service.reindex(shop.database, shop.blobs)
        die_at(arguments.die_at)
        await service.reindex(shop.database, shop.blobs)


def run_apart(arguments: argparse.Namespace) -> int:
    """Runs in a fork, which spares it the imports; returns its exit code, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        asyncio.run(run(arguments))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--data"):
        parser.add_argument(name, required=True)
    parser.add_argument("--forever", action="store_true")
    arguments = parser.parse_args()
    small_steps()
    if arguments.forever:
        asyncio.run(run(arguments))
        return
    say("begins")
    for line in sys.stdin:
        arguments.die_at = int(line)
        say(str(run_apart(arguments)))


if __name__ == "__main__":
    main()
