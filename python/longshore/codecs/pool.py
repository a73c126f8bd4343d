"""Processes in which codecs run, so that a hostile codestream costs one request and no worker.

A task has a time to be done in and a process has a bound to its memory. A process that breaks
either, or crashes, is replaced; the other tasks go on.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final, TypeVarTuple

from longshore.codecs.child import beyond
from longshore.codecs.process import CodecProcess, ProcessLost
from longshore.codecs.results import Result
from longshore.errors import LongshoreError, Unavailable, Undecodable

_Arguments = TypeVarTuple("_Arguments")
_EXHAUSTED: Final = (
    "The machine has no memory, files or processes left to decode an image. Send the request again"
    " later."
)


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
        self._slots = asyncio.Semaphore(self._limits.process_count)
        self._idle: list[CodecProcess] = []
        self._busy: set[CodecProcess] = set()
        self._is_closed = False
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

    async def run(self, task: Callable[[*_Arguments], bytes], *arguments: *_Arguments) -> Result:
        """Returns what the task returns; called within a turn.

        Args:
            task: A function of a module, not a closure; it may raise errors of `longshore.errors`.
            arguments: What can be pickled.

        Raises:
            Undecodable: The task took too long or too much memory, crashed, or raised anything that
                is no error of ours.
            Unavailable: There is no room for a long result, or no memory, file or process left.
        """
        limits = self._limits
        async with self._slots:
            if self._is_closed:
                raise Unavailable("The service is stopping. Send the request again later.")
            process = await self._taken()
            try:
                result = await process.run(task, arguments)
            except LongshoreError:
                self._idle.append(process)
                raise
            except TimeoutError:
                await process.end()
                raise Undecodable(
                    f"The pixel data took longer than {limits.seconds_max:g} s to process."
                ) from None
            except ProcessLost:
                await process.end()
                raise beyond(limits.memory_bytes_max) from None
            except OSError:
                await process.end()
                raise Unavailable(_EXHAUSTED) from None
            except BaseException:
                await process.end()
                raise
            else:
                self._idle.append(process)
                return result
            finally:
                self._busy.discard(process)

    async def close(self) -> None:
        """Ends the processes, whatever they do."""
        self._is_closed = True
        for each in self._busy:
            each.kill()
        for _ in range(self._limits.process_count):
            await self._slots.acquire()
        while self._idle:
            await self._idle.pop().end()
        for _ in range(self._limits.process_count):
            self._slots.release()

    async def _taken(self) -> CodecProcess:
        """Returns a process that has nothing to do, a new one if there is none."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                break
            await process.end()
        else:
            limits = self._limits
            try:
                process = CodecProcess(limits.memory_bytes_max, limits.seconds_max)
            except OSError:
                raise Unavailable(_EXHAUSTED) from None
        self._busy.add(process)
        if self._is_closed:
            process.kill()
        return process
