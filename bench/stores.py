"""Store scenarios and what they shall reach, as a part of what the limit reaches."""

import http.client
from dataclasses import dataclass

import orjson

from bench import instances, load
from bench.figures import Figure, measure
from bench.instances import CT, SMALL, Kind, new_numbers
from bench.load import Answer
from bench.mould import Request
from bench.servers import LIMIT, SERVICE, Server

PAUSE_S = 0.005
"""Between lone Stores, so that a server is idle when the next one comes."""
LONE_S = 0.02
"""What one lone Store and its pause take at most, about."""
REFERENCED_SOP_SEQUENCE = "00081199"


@dataclass(frozen=True)
class StoreScenario:
    """Stores of `per_request` instances over `connections` connections.

    Attributes:
        warm_requests: Sent before the clock runs; they also say how many fill it.
        ratio_min: Rate, as a part of the limit's.
        rate_min: Instances per second.
        p50_ratio_max: Median latency, as a multiple of the limit's.
    """

    kind: Kind
    per_request: int
    connections: int
    warm_requests: int
    ratio_min: float | None = None
    rate_min: float | None = None
    p50_ratio_max: float | None = None

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"Store {self.kind.text}, {self.per_request} x {self.connections}"

    @property
    def pause_s(self) -> float:
        """A lone Store finds an idle server."""
        return PAUSE_S if self.connections == 1 else 0.0


STORES = (
    StoreScenario(CT, 1, 1, 20, p50_ratio_max=2.0),
    StoreScenario(CT, 1, 32, 256, ratio_min=0.75),
    StoreScenario(CT, 50, 4, 8, ratio_min=0.80),
    StoreScenario(CT, 100, 4, 4, ratio_min=0.80),
    StoreScenario(SMALL, 1, 32, 640, ratio_min=0.50),
    StoreScenario(SMALL, 100, 4, 40, ratio_min=0.40, rate_min=10_000),
)
RSS_MIB_MAX = 400
"""Of each worker, whatever the scenario."""


def store(scenario: StoreScenario, server: Server, seconds: float) -> Figure:
    """Runs one Store scenario for about so many seconds; each of its studies is new."""
    warm_study, warm = _requests(scenario, server, scenario.warm_requests)
    done = _run(scenario, server, warm)
    rate = max(len(warm) / done.seconds, 1 / LONE_S if scenario.pause_s else 0)
    # Whole rounds, so that no connection is left alone for long at the end.
    rounds = max(2, round(rate * seconds / scenario.connections))
    study, requests = _requests(scenario, server, rounds * scenario.connections)
    figure = measure(
        scenario.name,
        server,
        "instances/s",
        lambda: _run(scenario, server, requests),
        per_request=scenario.per_request,
        sent_bytes=sum(request.length for request in requests),
    )
    if server.name == SERVICE:
        _check_count(server, warm_study, len(warm) * scenario.per_request)
        _check_count(server, study, figure.count)
    return figure


def all_stored(server: Server, per_request: int) -> load.Check:
    """Returns a check: the answer names so many instances as stored."""

    def is_right(answer: Answer) -> bool:
        if answer.status != 200:
            return False
        if server.name == LIMIT:
            return True
        stored = orjson.loads(answer.body)[REFERENCED_SOP_SEQUENCE]["Value"]
        return len(stored) == per_request

    return is_right


def _requests(scenario: StoreScenario, server: Server, count: int) -> tuple[int, list[Request]]:
    study = next(new_numbers)
    requests = [
        instances.store(
            server.root,
            scenario.kind,
            study=study,
            numbers=[next(new_numbers) for _ in range(scenario.per_request)],
        )
        for _ in range(count)
    ]
    return study, requests


def _run(scenario: StoreScenario, server: Server, requests: list[Request]) -> load.Load:
    return load.run(
        server.port,
        iter(requests),
        connections=scenario.connections,
        is_right=all_stored(server, scenario.per_request),
        pause_s=scenario.pause_s,
    )


def _check_count(server: Server, study: int, expected: int) -> None:
    """A Store that lost an instance on the way has no figure."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    path = f"{server.root}/studies?StudyInstanceUID={instances.uid('1', study)}"
    connection.request("GET", path, headers={"Accept": "application/dicom+json"})
    found = orjson.loads(connection.getresponse().read())
    count = found[0]["00201208"]["Value"][0]
    if count != expected:
        msg = f"{expected} instances were acknowledged, {count} are there"
        raise RuntimeError(msg)
