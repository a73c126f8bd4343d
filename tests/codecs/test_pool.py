"""What a task does to its process, done in real processes."""

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

from longshore.codecs.pool import CodecLimits, CodecPool
from longshore.errors import NotFound, Unavailable, Undecodable

pytestmark = pytest.mark.anyio

LIMITS = CodecLimits(
    process_count=2, seconds_max=1.0, memory_bytes_max=512 * 1024**2, waiting_count_max=2
)


@pytest.fixture
async def pool() -> AsyncGenerator[CodecPool]:
    pool = CodecPool(LIMITS)
    yield pool
    await pool.close()


def double(number: int) -> int:
    return 2 * number


def crash() -> None:
    ctypes.string_at(0)


def allocate() -> int:
    return len(bytearray(1024**3))


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def refuse() -> None:
    msg = "The specified frame cannot be found."
    raise NotFound(msg)


def stumble() -> None:
    msg = "a patient's name"
    raise ValueError(msg)


async def test_returns_what_the_task_returns(pool: CodecPool) -> None:
    assert await asyncio.gather(*(pool.run(double, number) for number in range(3))) == [0, 2, 4]


async def test_a_crash_costs_one_task(pool: CodecPool) -> None:
    crashed, other = await asyncio.gather(
        pool.run(crash), pool.run(double, 4), return_exceptions=True
    )
    assert isinstance(crashed, Undecodable)
    assert other == 8
    assert await pool.run(double, 5) == 10


async def test_too_much_memory_costs_one_task(pool: CodecPool) -> None:
    with pytest.raises(Undecodable, match="512 MiB"):
        await pool.run(allocate)
    assert await pool.run(double, 5) == 10


async def test_too_much_time_costs_one_task(pool: CodecPool) -> None:
    await pool.run(double, 1)  # the processes are there
    began = time.monotonic()
    with pytest.raises(Undecodable, match="1 s"):
        await pool.run(sleep, 50.0)
    assert time.monotonic() - began < 10
    assert await pool.run(double, 5) == 10


async def test_errors_of_ours_come_as_they_are(pool: CodecPool) -> None:
    with pytest.raises(NotFound, match="frame"):
        await pool.run(refuse)


async def test_texts_of_other_errors_stay_inside(pool: CodecPool) -> None:
    with pytest.raises(Undecodable) as caught:
        await pool.run(stumble)
    assert "patient" not in str(caught.value)


async def test_takes_no_more_than_may_wait(pool: CodecPool) -> None:
    begun: list[int] = []

    async def take(number: int) -> int:
        async with pool.turn():
            begun.append(number)
            return await pool.run(sleep, 0.3)

    taken = [asyncio.create_task(take(number)) for number in range(4)]
    await asyncio.sleep(0)
    # Two run, and one is made ready.
    assert begun == [0, 1, 2]
    with pytest.raises(Unavailable):
        await take(4)
    await asyncio.gather(*taken)
    assert begun == [0, 1, 2, 3]
    assert await take(5) > 0


PARENT = """
import asyncio, sys, time
from longshore.codecs.pool import CodecPool
import os
async def main():
    print(await CodecPool().run(os.getpid), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    asyncio.run(main())
"""


def test_the_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        child = psutil.Process(pid)
        parent.kill()
    gone, _ = psutil.wait_procs([child], timeout=20)
    assert gone == [child]
