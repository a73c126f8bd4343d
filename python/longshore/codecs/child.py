"""A codec's process: `python -m longshore.codecs.child`, which does one task after the other."""

import math
import pickle
import resource
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from longshore.codecs import exchange
from longshore.errors import LongshoreError, Undecodable

if TYPE_CHECKING:
    from collections.abc import Callable

    _Task = Callable[..., bytes]

GRACE_S: Final = 5
"""How long a process without a worker outlives a task's time."""


def serve(control: int, file: int, memory_bytes_max: int, seconds_max: float) -> None:
    """Answers each message until the worker is gone.

    Args:
        control: A socket, from and to the worker.
        file: The file in memory that both have open.
        memory_bytes_max: That this process may allocate.
        seconds_max: Of one task. The worker looks after it; this is for when there is none.
    """
    # The worker says when to end: it closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # An image that claims more fails at once; one that crashes its codec leaves no copy on a disk.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=control) as worker:
        worker.send(b"\0")
        while message := worker.recv(exchange.MESSAGE_BYTES_MAX):
            signal.alarm(math.ceil(seconds_max) + GRACE_S)
            answer = exchange.write(file, _outcome(file, message, memory_bytes_max))
            signal.alarm(0)
            worker.send(answer)


def _outcome(file: int, message: bytes, memory_bytes_max: int) -> list[memoryview]:
    """Does a task; returns the name of its error, empty if there is none, and the result or text.

    No pickle: a codestream that takes hold of this process does not get hold of the worker so.
    """
    try:
        # The worker's own.
        pickled, *buffers = exchange.read(file, message)
        task: _Task
        task, arguments = pickle.loads(pickled, buffers=buffers)  # noqa: S301
        return [memoryview(b""), memoryview(task(*arguments))]
    except LongshoreError as error:
        return _failed(error)
    except MemoryError:
        return _failed(beyond(memory_bytes_max))
    except Exception:
        # Its text may hold attribute values.
        return _failed(Undecodable("The pixel data cannot be processed."))


def _failed(error: LongshoreError) -> list[memoryview]:
    return [memoryview(each.encode()) for each in (type(error).__name__, str(error))]


def beyond(memory_bytes_max: int) -> Undecodable:
    """Returns the error for an image that is too much for a process."""
    return Undecodable(
        f"The pixel data could not be processed within {memory_bytes_max // 1024**2} MiB, or"
        " crashed the codec."
    )


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
