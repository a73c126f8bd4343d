"""What a Store of one CT costs, step by step, each measured alone.

Calls what the service calls, in the same order; where that changes, this file does.
"""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from bench import instances, load, servers
from bench.instances import CT, new_numbers
from bench.mould import BOUNDARY
from bench.scratch import scratch
from longshore._native import StoreReader, plan_pack
from longshore.app import open_origin
from longshore.dicom import DEFAULT_PARTITION, DEFAULT_PARTITION_KEY, Instance
from longshore.embedded.server import running
from longshore.extent import pack_blob
from longshore.index.migrate import migrate
from longshore.index.new import NewInstance, NewPack
from longshore.index.store import store_batch
from longshore.services.packs import new_pack_id
from longshore.services.store import StoreLimits
from longshore.services.store_body import StoreTarget
from longshore.settings import settings_from

T = TypeVar("T")

WARM_COUNT, COUNT = 10, 60
CHUNK_BYTES = 417_792
"""What granian hands over at a time when a body comes fast; measured."""
ROOT_TYPE = "application/dicom"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        us: Median, in microseconds.
        copies: Bytes that Python's allocator gave out meanwhile, at most, as a multiple of the
            body; None where another process is measured.
    """

    name: str
    us: float
    copies: float | None
    bytes_text: str


@dataclass(frozen=True)
class _Made:
    """One body, and what the steps need of it."""

    chunks: list[bytes]
    length: int


def measure() -> list[dict[str, Any]]:
    """Returns the steps, first the socket, last the whole."""
    with scratch() as folder:
        with servers.drain(folder) as server:
            drained = _over_socket(server)
        inner = asyncio.run(_inner(folder))
        with servers.service(folder, workers=1) as server:
            whole = _over_socket(server)
    steps = [
        Step(
            "socket to chunks (a bare app that drops them)",
            drained,
            None,
            "copied by the kernel, then by granian into one `bytes` a chunk",
        ),
        *inner,
        Step("the whole Store over a socket", whole, None, "all of the above"),
    ]
    return [asdict(step) for step in steps]


def _over_socket(server: servers.Server) -> float:
    requests = [
        instances.store(server.root, CT, study=1, numbers=[next(new_numbers)])
        for _ in range(WARM_COUNT + COUNT)
    ]
    done = load.run(
        server.port, iter(requests), connections=1, is_right=lambda answer: answer.status == 200
    )
    return 1e6 * median(done.latencies_s[WARM_COUNT:])


async def _inner(folder: Path) -> list[Step]:
    """The steps behind the socket, in this process."""
    # The name is short: the path of PostgreSQL's socket may not be long.
    with running(folder / "pg", connection_count_max=8) as postgres:
        migrate(postgres.dsn)
        settings = settings_from({}, {"database": postgres.dsn, "data": str(folder / "steps")})
        async with open_origin(settings) as origin:

            async def feed(made: _Made) -> None:
                _read(made)

            async def plan(instance: Instance) -> None:
                plan_pack([instance.pack_entry])

            async def put(made: tuple[Instance, _Made]) -> None:
                laid = plan_pack([made[0].pack_entry])
                buffers = [*laid.headers, *made[0].take_pieces(), laid.tail]
                await origin.blobs.put(pack_blob(new_pack_id()), buffers)

            async def index(instance: Instance) -> None:
                laid = plan_pack([instance.pack_entry])
                entry = NewInstance(
                    DEFAULT_PARTITION_KEY,
                    instance,
                    laid.payload_offsets[0],
                    laid.segment_offsets[0],
                )
                await store_batch(origin.database, NewPack(new_pack_id(), laid.length), [entry])

            async def store(made: _Made) -> None:
                await origin.stores.store(_stream(made), _target(made.length))

            return [
                await _step(
                    "multipart, data set, CRC-32, JSON, deflate (`StoreReader.feed`)",
                    feed,
                    _make,
                    "read once for the CRC-32, not copied: a payload is a range of its chunk",
                ),
                await _step(
                    "laying out the pack (`plan_pack`)",
                    plan,
                    lambda: _read(_make()),
                    "not touched",
                ),
                await _step(
                    "writing and syncing the pack (`BlobStore.put`)",
                    put,
                    lambda: (_read(made := _make()), made),
                    "copied from the chunks into one aligned buffer, written from there (O_DIRECT)",
                ),
                await _step(
                    "the index transaction (`store_batch`)",
                    index,
                    lambda: _read(_make()),
                    "not touched",
                ),
                await _step(
                    "all of these as the service runs them (`Stores.store`)",
                    store,
                    _make,
                    "-",
                ),
            ]


async def _step(
    name: str, do: Callable[[T], Awaitable[None]], make: Callable[[], T], bytes_text: str
) -> Step:
    times: list[float] = []
    for _ in range(WARM_COUNT + COUNT):
        given = make()
        began = time.perf_counter()
        await do(given)
        times.append(time.perf_counter() - began)
    given = make()
    tracemalloc.start()
    await do(given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    copies = peak / len(instances.template(CT))
    return Step(name, 1e6 * median(times[WARM_COUNT:]), copies, bytes_text)


def _make() -> _Made:
    """Returns a body that was not stored before, in the chunks that granian makes of it."""
    request = instances.store("", CT, study=1, numbers=[next(new_numbers)])
    body = b"".join(request.pieces[1:])
    starts = range(0, len(body), CHUNK_BYTES)
    return _Made([body[at : at + CHUNK_BYTES] for at in starts], len(body))


def _read(made: _Made) -> Instance:
    limits = StoreLimits()
    reader = StoreReader(
        boundary=BOUNDARY,
        root_type=ROOT_TYPE,
        study_uid=None,
        is_strict=False,
        part_bytes_max=limits.part_bytes_max,
        part_count_max=limits.part_count_max,
        part_header_bytes_max=limits.part_header_bytes_max,
        inline_bytes_max=limits.inline_bytes_max,
        inflated_bytes_max=limits.inflated_bytes_max,
    )
    kept = limits.part_bytes_max_in_memory
    events = [
        event
        for chunk in made.chunks
        for event in reader.feed(chunk, part_bytes_max_in_memory=kept)
    ]
    events += reader.finish()
    return next(event for event in events if isinstance(event, Instance))


async def _stream(made: _Made) -> AsyncIterator[bytes]:
    for chunk in made.chunks:
        yield chunk


def _target(byte_count: int) -> StoreTarget:
    return StoreTarget(
        partition=DEFAULT_PARTITION,
        boundary=BOUNDARY,
        root_type=ROOT_TYPE,
        study_uid=None,
        is_strict=False,
        byte_count=byte_count,
    )
