"""What is asked: Stores, then Retrieves of what was stored, of the service and of the limit."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import instances, load
from bench.instances import CT, SMALL, Kind
from bench.servers import Server

SERIES_COUNT = 500
"""Instances of the series that is retrieved."""
READS = 400
"""Requests of each Retrieve scenario of small answers."""

_numbers = itertools.count(1)
"""Instances are never sent twice: a duplicate is not stored."""


@dataclass(frozen=True)
class Figure:
    """What one run of one scenario showed."""

    scenario: str
    server: str
    unit: str
    rate: float
    p50_ms: float
    p95_ms: float
    megabytes_per_s: float


@dataclass(frozen=True)
class StoreScenario:
    """Stores of `per_request` instances over `connections` connections."""

    kind: Kind
    per_request: int
    connections: int
    requests: int

    @property
    def name(self) -> str:
        size = len(instances.template(self.kind)) / 1000
        return f"Store {self.kind.name} {size:.0f} kB, {self.per_request} x {self.connections}"


STORES = (
    StoreScenario(CT, 1, 1, 100),
    StoreScenario(CT, 1, 32, 800),
    StoreScenario(CT, 50, 4, 16),
    StoreScenario(SMALL, 1, 32, 2000),
    StoreScenario(SMALL, 50, 4, 100),
)


def store(scenario: StoreScenario, server: Server) -> Figure:
    """Runs one Store scenario; each of its studies is new."""
    study = next(_numbers)
    bodies = [_store_request(scenario, study, number) for number in range(scenario.requests)]
    done = load.run(
        server.port,
        iter(bodies),
        connections=scenario.connections,
        is_right=lambda status, _: status == 200,
    )
    if server.name == "longshore":
        _check_count(server, study, scenario.requests * scenario.per_request)
    sent = sum(len(body) for _, body in bodies)
    count = scenario.requests * scenario.per_request
    return _figure(scenario.name, server, "instances/s", done, count, sent)


def _store_request(scenario: StoreScenario, study: int, number: int) -> tuple[bytes, bytes]:
    parts = [
        instances.instance(scenario.kind, study=study, series=study, number=next(_numbers))
        for _ in range(scenario.per_request)
    ]
    del number
    body = instances.body(parts)
    head = (
        "POST /v2/studies HTTP/1.1\r\nHost: bench\r\nAccept: application/dicom+json\r\n"
        f"Content-Type: {instances.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def _check_count(server: Server, study: int, expected: int) -> None:
    """A Store that lost an instance on the way has no figure."""
    found = read_json(server, f"/v2/studies?StudyInstanceUID={instances.uid('1', study)}")
    count = found[0]["00201208"]["Value"][0]
    if count != expected:
        msg = f"{expected} instances were acknowledged, {count} are there"
        raise RuntimeError(msg)


def read_json(server: Server, path: str) -> list[dict[str, dict[str, list[int]]]]:
    import http.client
    import json

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers={"Accept": "application/dicom+json"})
    return json.loads(connection.getresponse().read())


@dataclass(frozen=True)
class Series:
    """The series that is retrieved."""

    study: int

    @property
    def path(self) -> str:
        study, series = instances.uid("1", self.study), instances.uid("2", self.study)
        return f"/v2/studies/{study}/series/{series}"


def store_series(server: Server) -> tuple[Series, list[int]]:
    """Stores the series; returns it with the numbers of its instances."""
    study = next(_numbers)
    numbers = [next(_numbers) for _ in range(SERIES_COUNT)]
    for at in range(0, SERIES_COUNT, 50):
        parts = [
            instances.instance(CT, study=study, series=study, number=number)
            for number in numbers[at : at + 50]
        ]
        body = instances.body(parts)
        head = (
            "POST /v2/studies HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: {instances.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        load.run(
            server.port,
            iter([(head.encode(), body)]),
            connections=1,
            is_right=lambda status, _: status == 200,
        )
    return Series(study), numbers


def _get(path: str, accept: str, *, gzip: bool = False) -> tuple[bytes, bytes]:
    encoding = "Accept-Encoding: gzip\r\n" if gzip else ""
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n{encoding}\r\n"
    return head.encode(), b""


def retrieves(server: Server, series: Series, numbers: list[int]) -> Iterator[Callable[[], Figure]]:
    """Yields the Retrieve scenarios of the service."""
    dicom = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    octets = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    paths = [f"{series.path}/instances/{instances.uid('3', number)}" for number in numbers]
    some = [path for path, _ in zip(itertools.cycle(paths), range(READS), strict=False)]
    whole = len(instances.template(CT))

    def run(
        name: str,
        requests: list[tuple[bytes, bytes]],
        connections: int,
        length_min: int,
        per_request: int,
        unit: str,
    ) -> Callable[[], Figure]:
        def measure() -> Figure:
            done = load.run(
                server.port,
                iter(requests),
                connections=connections,
                is_right=lambda status, length: status == 200 and length >= length_min,
            )
            count = len(requests) * per_request
            return _figure(name, server, unit, done, count, done.received_bytes)

        return measure

    yield run(
        f"Retrieve a series of {SERIES_COUNT} CT, 2 connections",
        [_get(series.path, dicom)] * 4,
        2,
        whole * SERIES_COUNT,
        SERIES_COUNT,
        "instances/s",
    )
    yield run(
        f"Metadata of {SERIES_COUNT} instances, gzip, 1 connection",
        [_get(f"{series.path}/metadata", "application/dicom+json", gzip=True)] * 20,
        1,
        10_000,
        SERIES_COUNT,
        "instances/s",
    )
    yield run(
        "Retrieve an instance, 8 connections",
        [_get(path, "application/dicom; transfer-syntax=*") for path in some],
        8,
        whole,
        1,
        "instances/s",
    )
    yield run(
        "Retrieve a frame, 8 connections",
        [_get(f"{path}/frames/1", octets) for path in some],
        8,
        CT.rows * CT.rows * 2,
        1,
        "frames/s",
    )


def send_file(server: Server, length: int) -> Figure:
    """The bytes of the series, sent by the bare app from one file."""
    done = load.run(
        server.port,
        iter([_get("/", "*/*")] * 4),
        connections=2,
        is_right=lambda status, received: status == 200 and received == length,
    )
    name = f"Retrieve a series of {SERIES_COUNT} CT, 2 connections"
    return _figure(name, server, "instances/s", done, 4 * SERIES_COUNT, done.received_bytes)


def _figure(
    scenario: str, server: Server, unit: str, done: load.Load, count: int, byte_count: int
) -> Figure:
    return Figure(
        scenario=scenario,
        server=server.name,
        unit=unit,
        rate=count / done.seconds,
        p50_ms=done.percentile_ms(0.50),
        p95_ms=done.percentile_ms(0.95),
        megabytes_per_s=byte_count / done.seconds / 1e6,
    )
