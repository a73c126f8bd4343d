"""Processes in which codecs run, so that a hostile codestream costs one request and no worker.

A task has a time to be done in and a process has a bound to its memory. A process that breaks
either, or crashes, is replaced; the other tasks go on.
"""

import asyncio
import contextlib
import fcntl
import multiprocessing
import os
import resource
import stat
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import TimeoutError as TaskTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from pebble import ProcessExpired, ProcessPool

from longshore.errors import LongshoreError, Unavailable, Undecodable

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Each process has one core to itself; threads of numerical libraries would only take memory."""

_PIPE_BYTES = 1024**2
"""What the kernel lets a process without privileges ask for."""


@dataclass(frozen=True, slots=True)
class CodecLimits:
    """Bounds of the processes of one worker.

    Attributes:
        process_count: Tasks that run at the same time.
        seconds_max: Of one task, once it runs.
        memory_bytes_max: That one process may allocate.
        waiting_count_max: Who waits for a turn; above it, nobody is let in.
    """

    process_count: int = 1
    seconds_max: float = 20.0
    memory_bytes_max: int = 1024**3
    waiting_count_max: int = 64


class CodecPool:
    """Runs functions of `longshore.codecs` in processes of their own.

    The processes are started with the first task.
    """

    def __init__(self, limits: CodecLimits | None = None) -> None:
        """Starts nothing yet."""
        self._limits = limits or CodecLimits()
        self._pool: ProcessPool | None = None
        # The next task is made ready while one runs.
        self._turns = asyncio.Semaphore(self._limits.process_count + 1)
        self._in_line = 0

    @property
    def process_count(self) -> int:
        """Tasks that run at the same time."""
        return self._limits.process_count

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Waits for a turn; within it, what a task needs is read, and the task is run.

        Who waits holds nothing in memory: what a task needs may be a hundred MiB.

        Raises:
            Unavailable: Too many wait already.
        """
        limits = self._limits
        if self._in_line >= limits.process_count + limits.waiting_count_max:
            raise Unavailable("Too many images are being decoded. Send the request again later.")
        self._in_line += 1
        try:
            async with self._turns:
                yield
        finally:
            self._in_line -= 1

    async def run(self, task: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Returns what the task returns; called within a turn.

        Args:
            task: A function of a module, not a closure; it may raise errors of `longshore.errors`.
            arguments: What can be pickled.

        Raises:
            Undecodable: The task took too long or too much memory, crashed, or raised anything that
                is no error of ours.
        """
        limits = self._limits
        if self._pool is None:
            self._pool = _started(limits)
        try:
            future = self._pool.schedule(task, args=arguments, timeout=limits.seconds_max)
            return await asyncio.wrap_future(future)
        except LongshoreError:
            raise
        except TaskTimeoutError:
            raise Undecodable(
                f"The pixel data took longer than {limits.seconds_max:g} s to process."
            ) from None
        except (ProcessExpired, MemoryError):
            raise Undecodable(
                "The pixel data could not be processed within"
                f" {limits.memory_bytes_max // 1024**2} MiB, or crashed the codec."
            ) from None
        except Exception as error:
            # Its text may hold attribute values.
            raise Undecodable("The pixel data cannot be processed.") from error

    async def close(self) -> None:
        """Ends the processes, whatever they do."""
        if self._pool is not None:
            self._pool.stop()
            await asyncio.to_thread(self._pool.join)


def _started(limits: CodecLimits) -> ProcessPool:
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    # Not forked: a worker has threads, whose locks would be held for ever in the copy.
    return ProcessPool(
        max_workers=limits.process_count,
        initializer=_begun,
        initargs=(limits.memory_bytes_max,),
        context=multiprocessing.get_context("spawn"),  # pyright: ignore[reportArgumentType]  # typeshed gives Windows' pipes
    )


def _begun(memory_bytes_max: int) -> None:
    """Bounds what this process may allocate: an image that claims more fails at once."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes_max, memory_bytes_max))
    _widen_pipes()


def _widen_pipes() -> None:
    """Lets a frame pass to the worker in one go, where the kernel allows pipes to hold it.

    In pieces of a pipe's usual 64 KiB both sides would wait for one another a dozen times.
    """
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            descriptor = int(entry.name)
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
