"""The short run: Stores and Retrieves of the service, of the limit, and of the peer by turns."""

import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from bench import (
    instances,
    machine,
    peer,
    pictures,
    readers,
    retrieves,
    servers,
    steps,
    stores,
    trickle,
)
from bench.figures import Figure
from bench.scratch import empty, require_room, scratch
from bench.servers import Server

T = TypeVar("T")

BYTES_PER_S = 1.5e9
"""What a fast machine's service and peer write in a second of a Store scenario, about."""

PEER_READ_SHARE = 0.25
"""Of the requests of a Retrieve scenario, the peer gets so many: it needs longer for each."""


def measure(iterations: int, seconds: float, *, with_peer: bool) -> dict[str, Any]:
    """Runs every scenario, on servers that are new in each iteration.

    Args:
        seconds: About how long each Store scenario runs on each server.
    """
    require_room(round(BYTES_PER_S * seconds * len(stores.STORES)), "make it shorter: --seconds 1")
    figures: list[Figure] = []
    waits: list[Figure] = []
    facts: dict[str, str] = {}
    peer_facts: dict[str, str] | None = None
    for iteration in range(iterations):
        turn = f"iteration {iteration + 1} of {iterations}"
        with scratch() as folder, started(folder, with_peer=with_peer) as running:
            series = [(server, retrieves.store_series(server)) for server in readable(running)]
            for at, scenario in enumerate(stores.STORES):
                for server in turned(running, iteration + at):
                    say(f"{turn}: {scenario.name}, {server.name}")
                    figures.append(stores.store(scenario, server, seconds))
                    empty(folder / servers.LIMIT)
            say(f"{turn}: {trickle.NAME}")
            figures.append(trickle.store_beside_slow_clients(running[0], seconds))
            say(f"{turn}: Retrieve and Search")
            figures += retrieve_all(running, series, iteration)
            say(f"{turn}: tiles, thumbnails, transcoded frames")
            figures += pictures.codecs_alone()
            figures += pictures.pictures(*series[0])
            waits += readers.waits(running[0], readers.readers_of(*series[0]))
            waits += readers.waits(running[1], readers.readers_of_limit())
            empty(folder / servers.LIMIT)
            facts = machine.facts(folder)
            if with_peer:
                peer_facts = peer.facts(running[2])
    say("step by step")
    return {
        "iterations": iterations,
        "seconds": seconds,
        "machine": facts,
        "peer": peer_facts,
        "lone": [each.name for each in stores.STORES if each.pause_s],
        "targets": targets(),
        "figures": [asdict(figure) for figure in figures],
        "waits": [asdict(figure) for figure in waits],
        "steps": steps.measure(),
    }


def targets() -> list[dict[str, Any]]:
    """Returns what each scenario shall reach."""
    found = [
        {"scenario": each.name, "bound": bound, "value": value}
        for each in stores.STORES
        for bound, value in [
            ("ratio_min", each.ratio_min),
            ("rate_min", each.rate_min),
            ("p50_ratio_max", each.p50_ratio_max),
        ]
        if value is not None
    ]
    names = [*(each.name for each in stores.STORES), trickle.NAME]
    read = [*retrieves.TARGETS, *pictures.TARGETS]
    names += dict.fromkeys(scenario for scenario, *_ in read)
    found += [
        {"scenario": scenario, "bound": bound, "value": value} for scenario, bound, value in read
    ]
    return found + [
        {"scenario": name, "bound": "rss_mib_max", "value": stores.RSS_MIB_MAX} for name in names
    ]


def retrieve_all(
    running: Sequence[Server], series: Sequence[tuple[Server, retrieves.Series]], turn: int
) -> list[Figure]:
    """Returns a figure for each Retrieve scenario and server."""
    figures = retrieves.send_file(running[1])
    for server, stored in turned(series, turn):
        share = PEER_READ_SHARE if server.name == peer.ORTHANC else 1.0
        figures += [
            retrieves.retrieve(scenario, server, share=share)
            for scenario in retrieves.retrieves(server, stored)
        ]
    return figures


@contextlib.contextmanager
def started(folder: Path, *, with_peer: bool) -> Generator[Sequence[Server]]:
    """Yields the service, the limit, and the peer where it is asked for."""
    workers = len(os.sched_getaffinity(0))
    file = folder / "series"
    write_series(file)
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(servers.service(folder, workers)),
            stack.enter_context(servers.limit(folder, workers, file=file)),
        ]
        if with_peer:
            running.append(stack.enter_context(peer.orthanc(folder)))
        yield running


def readable(running: Sequence[Server]) -> Sequence[Server]:
    """Returns those that can be read from."""
    return [server for server in running if server.name != servers.LIMIT]


def turned(items: Sequence[T], by: int) -> Sequence[T]:
    """Returns the items, begun at another one each time."""
    by %= len(items)
    return [*items[by:], *items[:by]]


def write_series(file: Path) -> None:
    """Writes as many bytes as the series has."""
    content = instances.template(instances.CT)
    with file.open("wb") as out:
        for _ in range(retrieves.SERIES_COUNT):
            out.write(content)


def say(text: str) -> None:
    """Tells how far it is."""
    print(text, flush=True)
