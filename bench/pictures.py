"""Frames that lie deep, or are not served as they lie: tiles, thumbnails, transcoded frames."""

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any, Final

import jpeg_ls
from openjpeg.utils import decode_pixel_data
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from bench import compressed, load
from bench.compressed import TILE_BYTES, TILE_COUNT, codestream
from bench.figures import Figure
from bench.instances import CT, new_numbers, uid
from bench.mould import get_request
from bench.retrieves import OCTETS, RetrieveScenario, Series, retrieve
from bench.servers import LIMIT, Server
from bench.stores import all_stored

CONNECTIONS = 8
TILES = 4_000
"""Requests for tiles, and for thumbnails that are kept."""
TILES_NEAR = 50
"""Tiles at the slide's beginning or end that these ask for."""
THUMBNAILS = 300
"""Requests for thumbnails that nobody asked for before."""
KEPT = 8
"""Thumbnails that are asked for again and again."""
TRANSCODED = 300
EXPLICIT: Final = (
    'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'
)
JPEG: Final = "image/jpeg"

FIRST_TILES: Final = f"Retrieve frames 1 to {TILES_NEAR} of {TILE_COUNT:,}, 8 connections"
LAST_TILES: Final = (
    f"Retrieve frames {TILE_COUNT - TILES_NEAR + 1:,} to {TILE_COUNT:,}, 8 connections"
)
NEW_THUMBNAILS: Final = "Thumbnail of 200 pixels of a CT, 8 connections"
KEPT_THUMBNAILS: Final = "The same, asked for before"
TRANSCODE: Final = {
    str(JPEG2000Lossless): "Transcode a CT frame from JPEG 2000, 8 connections",
    str(JPEGLSLossless): "Transcode a CT frame from JPEG-LS, 8 connections",
}
"""Scenarios by stored transfer syntax."""
TARGETS: Final = (
    (FIRST_TILES, "rate_min", 2_500),
    (LAST_TILES, "rate_min", 2_500),
    (LAST_TILES, "part_of_first_min", 0.9),
    (NEW_THUMBNAILS, "rate_min", 60),
    (KEPT_THUMBNAILS, "rate_min", 2_000),
    *((name, "ratio_min", 1 / 1.2) for name in TRANSCODE.values()),
)
"""What they shall reach: scenario, bound, value."""
_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    str(JPEG2000Lossless): lambda octets: decode_pixel_data(octets, version=2),
    str(JPEGLSLossless): jpeg_ls.decode_pixel_data,
}
"""What the service's codecs call, by transfer syntax."""


def pictures(server: Server, series: Series) -> list[Figure]:
    """Returns a figure for each scenario of the service.

    Args:
        series: Of CT as they are not compressed, of which no thumbnail was asked for.
    """
    scenarios = [*_tiles(server), *_thumbnails(server, series)]
    scenarios += [_transcode(server, syntax) for syntax in TRANSCODE]
    return [retrieve(each, server) for each in scenarios]


def codecs_alone() -> list[Figure]:
    """Returns what the libraries do without a service: as many processes as cores, and no more."""
    return [_alone(syntax, name) for syntax, name in TRANSCODE.items()]


def _tiles(server: Server) -> list[RetrieveScenario]:
    request, path = compressed.store_slide(server.root)
    load.run(server.port, iter([request]), connections=1, is_right=all_stored(server, 1))
    near = range(1, TILES_NEAR + 1)
    return [
        RetrieveScenario(
            name,
            "frames/s",
            [
                get_request(f"{server.root}{path}/frames/{number}", OCTETS)
                for number in itertools.islice(itertools.cycle(numbers), TILES)
            ],
            CONNECTIONS,
            TILE_BYTES,
            1,
        )
        for name, numbers in (
            (FIRST_TILES, near),
            (LAST_TILES, [TILE_COUNT + 1 - number for number in near]),
        )
    ]


def _thumbnails(server: Server, series: Series) -> list[RetrieveScenario]:
    paths = [f"{server.root}{each}/thumbnail" for each in series.instance_paths]
    kept = itertools.islice(itertools.cycle(paths[:KEPT]), TILES)
    return [
        RetrieveScenario(
            NEW_THUMBNAILS,
            "thumbnails/s",
            [get_request(each, JPEG) for each in paths[:THUMBNAILS]],
            CONNECTIONS,
            1_000,
            1,
        ),
        RetrieveScenario(
            KEPT_THUMBNAILS,
            "thumbnails/s",
            [get_request(each, JPEG) for each in kept],
            CONNECTIONS,
            1_000,
            1,
        ),
    ]


def _transcode(server: Server, syntax: str) -> RetrieveScenario:
    study = next(new_numbers)
    numbers = [next(new_numbers) for _ in range(TRANSCODED + 2 * CONNECTIONS)]
    request = compressed.store_ct(server.root, syntax, study=study, numbers=numbers)
    load.run(server.port, iter([request]), connections=1, is_right=all_stored(server, len(numbers)))
    path = f"{server.root}/studies/{uid('1', study)}/series/{uid('2', study)}/instances"
    requests = [get_request(f"{path}/{uid('3', each)}/frames/1", EXPLICIT) for each in numbers]
    # The first ones start the processes and load the libraries there.
    scenario = RetrieveScenario(
        TRANSCODE[syntax], "frames/s", requests, CONNECTIONS, CT.rows * CT.rows * 2, 1
    )
    warm, timed = requests[: 2 * CONNECTIONS], requests[2 * CONNECTIONS :]
    retrieve(scenario.with_requests(warm), server)
    return scenario.with_requests(timed)


def _alone(syntax: str, name: str) -> Figure:
    processes = len(os.sched_getaffinity(0))
    # Not forked: this process has had threads.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_decode, [syntax] * processes * 4, chunksize=1)
        began = time.perf_counter()
        times_s = pool.map(_decode, [syntax] * TRANSCODED, chunksize=1)
        seconds = time.perf_counter() - began
    ordered = sorted(times_s)
    return Figure(
        scenario=name,
        server=LIMIT,
        unit="frames/s",
        count=TRANSCODED,
        seconds=seconds,
        rate=TRANSCODED / seconds,
        p50_ms=1_000 * ordered[len(ordered) // 2],
        p95_ms=1_000 * ordered[int(0.95 * len(ordered))],
        megabytes_per_s=TRANSCODED * CT.rows * CT.rows * 2 / seconds / 1e6,
        workers_user_us=1e6 * sum(times_s) / TRANSCODED,
        workers_system_us=0.0,
        postgres_us=0.0,
        client_us=0.0,
        rss_mib=0.0,
    )


def _decode(syntax: str) -> float:
    """Decodes once, in a process of its own; returns the seconds."""
    began = time.perf_counter()
    _DECODERS[syntax](codestream(syntax))
    return time.perf_counter() - began
