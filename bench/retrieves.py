"""Retrieve scenarios: a series, its metadata, instances and frames, of the service and the peer."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import instances, limit_app, load
from bench.figures import Figure, measure
from bench.instances import CT, new_numbers
from bench.mould import Request, get_request
from bench.servers import Server
from bench.stores import all_stored

SERIES_COUNT = 500
"""Instances of the series that is retrieved."""
STORE_COUNT = 50
"""Of them in one Store."""
READS = 4_000
"""Requests of each scenario of small answers."""
SERIES_REQUESTS, METADATA_REQUESTS = 16, 40
DICOM = 'multipart/related; type="application/dicom"; transfer-syntax=*'
OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
JSON = "application/dicom+json"
SERIES_NAME = f"Retrieve a series of {SERIES_COUNT} CT, 2 connections"
METADATA_NAME = f"Metadata of {SERIES_COUNT} instances, gzip, 1 connection"
INSTANCE_NAME = "Retrieve an instance, 8 connections"
FRAME_NAME = "Retrieve a frame, 8 connections"
TARGETS = (
    (SERIES_NAME, "ratio_min", 0.7),
    (INSTANCE_NAME, "rate_min", 2_000),
    (FRAME_NAME, "rate_min", 2_500),
    (METADATA_NAME, "rate_min", 60_000),
    # of the whole answer; its first byte comes before
    (METADATA_NAME, "p50_ms_max", 10),
)
"""What they shall reach: scenario, bound, value."""


@dataclass(frozen=True)
class Series:
    """The series that is retrieved."""

    study: int
    numbers: Sequence[int]

    @property
    def path(self) -> str:
        """What stands behind a server's root."""
        study, series = instances.uid("1", self.study), instances.uid("2", self.study)
        return f"/studies/{study}/series/{series}"

    @property
    def instance_paths(self) -> list[str]:
        """Likewise, of its instances."""
        return [f"{self.path}/instances/{instances.uid('3', number)}" for number in self.numbers]


def store_series(server: Server) -> Series:
    """Stores the series."""
    study = next(new_numbers)
    numbers = [next(new_numbers) for _ in range(SERIES_COUNT)]
    requests = [
        instances.store(server.root, CT, study=study, numbers=numbers[at : at + STORE_COUNT])
        for at in range(0, SERIES_COUNT, STORE_COUNT)
    ]
    is_right = all_stored(server, STORE_COUNT)
    load.run(server.port, iter(requests), connections=1, is_right=is_right)
    return Series(study, numbers)


@dataclass(frozen=True)
class RetrieveScenario:
    """Requests of one kind.

    Attributes:
        length_min: Bytes of a right answer, at least.
        per_request: Of `unit` in one answer.
    """

    name: str
    unit: str
    requests: Sequence[Request]
    connections: int
    length_min: int
    per_request: int

    def with_requests(self, requests: Sequence[Request]) -> "RetrieveScenario":
        """Returns the same with other requests."""
        return replace(self, requests=requests)


def retrieves(server: Server, series: Series) -> list[RetrieveScenario]:
    """Returns the scenarios of one server."""
    whole = len(instances.template(CT))
    path = f"{server.root}{series.path}"
    some = list(itertools.islice(itertools.cycle(series.instance_paths), READS))
    return [
        RetrieveScenario(
            SERIES_NAME,
            "instances/s",
            [get_request(path, DICOM)] * SERIES_REQUESTS,
            2,
            whole * SERIES_COUNT,
            SERIES_COUNT,
        ),
        RetrieveScenario(
            METADATA_NAME,
            "instances/s",
            [get_request(f"{path}/metadata", JSON, gzip=True)] * METADATA_REQUESTS,
            1,
            10_000,
            SERIES_COUNT,
        ),
        RetrieveScenario(
            INSTANCE_NAME,
            "instances/s",
            [get_request(f"{server.root}{each}", DICOM) for each in some],
            8,
            whole,
            1,
        ),
        RetrieveScenario(
            FRAME_NAME,
            "frames/s",
            [get_request(f"{server.root}{each}/frames/1", OCTETS) for each in some],
            8,
            CT.rows * CT.rows * 2,
            1,
        ),
    ]


def retrieve(scenario: RetrieveScenario, server: Server, *, share: float = 1.0) -> Figure:
    """Runs one scenario; of a slow server only a share of its requests."""
    count = max(scenario.connections, round(len(scenario.requests) * share))
    return measure(
        scenario.name,
        server,
        scenario.unit,
        lambda: load.run(
            server.port,
            iter(scenario.requests[:count]),
            connections=scenario.connections,
            is_right=lambda answer: answer.status == 200 and answer.length >= scenario.length_min,
        ),
        per_request=scenario.per_request,
    )


def send_file(server: Server) -> list[Figure]:
    """The same bytes sent by the bare app from one file: the series, an instance, a frame."""
    whole, frame = len(instances.template(CT)), CT.rows * CT.rows * 2

    def pieces(length: int) -> list[Request]:
        offsets = itertools.islice(itertools.cycle(range(0, SERIES_COUNT * whole, whole)), READS)
        return [get_request(limit_app.piece_path(offset, length), "*/*") for offset in offsets]

    scenarios = [
        RetrieveScenario(
            SERIES_NAME,
            "instances/s",
            [get_request("/", "*/*")] * SERIES_REQUESTS,
            2,
            SERIES_COUNT * whole,
            SERIES_COUNT,
        ),
        RetrieveScenario(INSTANCE_NAME, "instances/s", pieces(whole), 8, whole, 1),
        RetrieveScenario(FRAME_NAME, "frames/s", pieces(frame), 8, frame, 1),
    ]
    return [retrieve(each, server) for each in scenarios]
