"""How long readers wait, on an idle service and while Stores saturate it."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bench import instances, limit_app, load
from bench.figures import Figure, measure
from bench.instances import SMALL, new_numbers
from bench.mould import Request, get_request
from bench.retrieves import JSON, OCTETS, Series
from bench.servers import Server
from bench.stores import all_stored

PER_REQUEST, CONNECTIONS = 100, 4
LOAD_NAME = f"{SMALL.text}, {PER_REQUEST} x {CONNECTIONS}"
IDLE, BUSY = "idle", "saturated"
READS = 300
REST_S = 0.3
"""How long the load runs before the first reader comes."""

Stores = Callable[[], Iterator[Request]]


def readers_of(server: Server, series: Series) -> dict[str, Sequence[Request]]:
    """Returns what readers of a series ask."""
    some = list(itertools.islice(itertools.cycle(series.instance_paths), READS))
    study = series.path.split("/")[2]
    search = get_request(f"{server.root}/studies?StudyInstanceUID={study}", JSON)
    return {
        "Search a study by its UID": [search] * READS,
        "Metadata of an instance": [
            get_request(f"{server.root}{path}/metadata", JSON) for path in some
        ],
        "Retrieve a frame": [get_request(f"{server.root}{path}/frames/1", OCTETS) for path in some],
    }


def readers_of_limit() -> dict[str, Sequence[Request]]:
    """Returns what needs no index and no file: what a reader must wait for on such a machine."""
    name = "Two bytes from the limit, beside its own load"
    return {name: [get_request(limit_app.EMPTY_PATH, JSON)] * READS}


def waits(
    server: Server, readers: Mapping[str, Sequence[Request]], stores: Stores | None = None
) -> list[Figure]:
    """Returns two figures for each reader, over one connection, and one of the load itself.

    Args:
        stores: Makes the requests of the load, without end; by default small instances.
    """
    figures = [
        replace(read(server, name, requests), server=IDLE) for name, requests in readers.items()
    ]
    is_over = threading.Event()
    failures: list[BaseException] = []
    loads: list[Figure] = []
    requests = (stores or (lambda: _small_stores(server)))()

    def saturate() -> None:
        try:
            loads.append(
                measure(
                    LOAD_NAME,
                    server,
                    "instances/s",
                    lambda: load.run(
                        server.port,
                        itertools.takewhile(lambda _: not is_over.is_set(), requests),
                        connections=CONNECTIONS,
                        is_right=all_stored(server, PER_REQUEST),
                    ),
                    per_request=PER_REQUEST,
                )
            )
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=saturate)
    thread.start()
    try:
        is_over.wait(REST_S)
        for name, asked in readers.items():
            figures.append(replace(read(server, name, asked), server=BUSY))
    finally:
        is_over.set()
        thread.join()
    if failures:
        raise failures[0]
    return figures + loads


def read(server: Server, name: str, requests: Sequence[Request]) -> Figure:
    """Asks over one connection; an empty answer (204) is wrong, since what is asked for exists."""
    return measure(
        name,
        server,
        "requests/s",
        lambda: load.run(
            server.port,
            iter(requests),
            connections=1,
            is_right=lambda answer: answer.status == 200 and answer.length > 0,
        ),
        per_request=1,
    )


def _small_stores(server: Server) -> Iterator[Request]:
    while True:
        study = next(new_numbers)
        numbers = [next(new_numbers) for _ in range(PER_REQUEST)]
        yield instances.store(server.root, SMALL, study=study, numbers=numbers)
