"""What a task does to its process, done in real processes."""

import asyncio
import contextlib
import ctypes
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

from longshore.codecs.pool import CodecLimits, CodecPool
from longshore.codecs.results import LONG_BYTES_MIN, LongResult, Result
from longshore.errors import NotFound, Unavailable, Undecodable

pytestmark = pytest.mark.anyio

LIMITS = CodecLimits(
    process_count=2, seconds_max=4.0, memory_bytes_max=512 * 1024**2, waiting_count_max=2
)


@pytest.fixture
async def pool() -> AsyncGenerator[CodecPool]:
    pool = CodecPool(LIMITS)
    yield pool
    await pool.close()


def double(octets: bytes) -> bytes:
    return 2 * octets


def crash() -> bytes:
    return ctypes.string_at(0)


def allocate() -> bytes:
    return bytes(1024**3)


def sleep(seconds: float) -> bytes:
    time.sleep(seconds)
    return b"slept"


def refuse() -> bytes:
    msg = "The specified frame cannot be found."
    raise NotFound(msg)


def lie(answer: bytes) -> bytes:
    """Answers in the place of its process, as code that took it over could."""
    os.ftruncate(int(sys.argv[2]), 8)
    worker = socket.socket(fileno=int(sys.argv[1]))
    worker.send(answer)
    time.sleep(60)
    return b""


def stumble() -> bytes:
    msg = "a patient's name"
    raise ValueError(msg)


async def test_returns_what_the_task_returns(pool: CodecPool) -> None:
    found = await asyncio.gather(*(pool.run(double, bytes([number])) for number in range(3)))
    assert found == [b"\0\0", b"\1\1", b"\2\2"]


@pytest.mark.parametrize("length", [0, 1, 1024**2, 20 * 1024**2 + 1])
async def test_contents_of_any_length(pool: CodecPool, length: int) -> None:
    octets = os.urandom(length)
    for _ in range(3):
        assert whole(await pool.run(double, octets)) == 2 * octets
    # What was there before does not shine through.
    assert await pool.run(double, b"1") == b"11"


async def test_long_results_are_files_as_long_as_they_are_held(pool: CodecPool) -> None:
    result = await pool.run(double, bytes(LONG_BYTES_MIN))
    assert isinstance(result, LongResult)
    assert 2 * LONG_BYTES_MIN in unnamed_files()
    del result
    for _ in range(1_000):  # a thread may be about to let go of it
        if 2 * LONG_BYTES_MIN not in unnamed_files():
            break
        await asyncio.sleep(0.01)
    assert 2 * LONG_BYTES_MIN not in unnamed_files()
    assert isinstance(await pool.run(double, bytes(LONG_BYTES_MIN // 2 - 1)), bytes)


async def test_no_room_for_a_long_result_costs_no_process(
    pool: CodecPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(Unavailable, match="TMPDIR"):
        await pool.run(double, bytes(LONG_BYTES_MIN))
    assert sizes_in_memory() == [8 * 1024**2]
    assert await pool.run(double, b"5") == b"55"


async def test_without_files_left_nothing_is_left_behind(pool: CodecPool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    refused = 0
    for files in range(1, 1_000):
        before = len(open_files())
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        try:
            assert await pool.run(double, b"1") == b"11"
            break
        except Unavailable:
            refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert len(open_files()) <= before
    # The file, the sockets and the pipes of the new process fail one after the other.
    assert 4 < refused < 998


async def test_nothing_large_is_kept_between_tasks(pool: CodecPool) -> None:
    await pool.run(double, bytes(20 * 1024**2))
    assert sizes_in_memory() == [0]


async def test_a_crash_costs_one_task(pool: CodecPool) -> None:
    crashed, other = await asyncio.gather(
        pool.run(crash), pool.run(double, b"4"), return_exceptions=True
    )
    assert isinstance(crashed, Undecodable)
    assert other == b"44"
    assert await pool.run(double, b"5") == b"55"


async def test_a_process_that_was_killed_is_replaced(pool: CodecPool) -> None:
    await pool.run(double, b"1")
    processes = codec_processes()
    assert len(processes) == 1
    processes[0].kill()
    psutil.wait_procs(processes, timeout=20)
    assert await pool.run(double, b"5") == b"55"


async def test_who_goes_away_leaves_no_answer_behind(pool: CodecPool) -> None:
    await asyncio.gather(pool.run(double, b"1"), pool.run(double, b"2"))
    gone = [asyncio.create_task(pool.run(sleep, 0.5)) for _ in range(2)]
    await asyncio.sleep(0.1)
    for each in gone:
        each.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert await pool.run(double, b"5") == b"55"


async def test_closing_ends_what_runs(pool: CodecPool) -> None:
    await pool.run(double, b"1")
    running = [asyncio.create_task(pool.run(sleep, 0.9)) for _ in range(3)]
    await asyncio.sleep(0.1)
    await pool.close()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [type(each) for each in ended] == [Undecodable, Undecodable, Unavailable]
    assert codec_processes() == []


async def test_too_much_memory_costs_one_task(pool: CodecPool) -> None:
    with pytest.raises(Undecodable, match="512 MiB"):
        await pool.run(allocate)
    assert await pool.run(double, b"5") == b"55"


async def test_too_much_time_costs_one_task(pool: CodecPool) -> None:
    await pool.run(double, b"1")  # the process is there
    began = time.monotonic()
    with pytest.raises(Undecodable, match="4 s"):
        await pool.run(sleep, 50.0)
    assert time.monotonic() - began < 20
    assert await pool.run(double, b"5") == b"55"


async def test_errors_of_ours_come_as_they_are(pool: CodecPool) -> None:
    with pytest.raises(NotFound, match="frame"):
        await pool.run(refuse)


async def test_texts_of_other_errors_stay_inside(pool: CodecPool) -> None:
    with pytest.raises(Undecodable) as caught:
        await pool.run(stumble)
    assert "patient" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"1", struct.pack("<Q", 1), struct.pack("<2Q", 1, 1 << 62), struct.pack("<2Q", 0, 9)]
)
async def test_a_process_that_answers_anything_is_not_believed(
    pool: CodecPool, answer: bytes
) -> None:
    with pytest.raises(Undecodable):
        await pool.run(lie, answer)
    assert await pool.run(double, b"5") == b"55"


async def test_takes_no_more_than_may_wait(pool: CodecPool) -> None:
    begun: list[int] = []

    async def take(number: int) -> Result:
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
    assert await take(5) == b"slept"


PARENT = """
import asyncio, time
from longshore.codecs.pool import CodecPool
async def main():
    print(await CodecPool().run(bytes, 1), flush=True)
    time.sleep(60)
asyncio.run(main())
"""


def test_the_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        children = psutil.Process(parent.pid).children()
        parent.kill()
    assert len(children) == 1
    gone, _ = psutil.wait_procs(children, timeout=20)
    assert gone == children


def whole(result: Result) -> bytes:
    return result if isinstance(result, bytes) else result.read(0, len(result))


def codec_processes() -> list[psutil.Process]:
    """Returns this process's own; fixtures have others."""
    children = psutil.Process().children()
    return [each for each in children if "longshore.codecs.child" in each.cmdline()]


def sizes_in_memory() -> list[int]:
    """Returns the bytes of each file in memory that this process shares with a codec's."""
    return [size for link, size in open_files() if "longshore-codec" in link]


def unnamed_files() -> list[int]:
    """Returns the bytes of each file without a name in the folder for temporary files."""
    folder = tempfile.gettempdir()
    links = [each for each in open_files() if each[0].endswith(" (deleted)")]
    return [size for link, size in links if link.startswith(folder)]


def open_files() -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder's own
            found.append((str(each.readlink()), each.stat().st_size))
    return found
