"""The scale run: a million instances, whether Store slows down, and how long readers wait then."""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bench import (
    instances,
    load,
    machine,
    population,
    readers,
    scale_index,
    scale_reads,
    scale_tag,
    servers,
)
from bench.instances import SMALL
from bench.mould import Request
from bench.processes import Watch
from bench.readers import CONNECTIONS, PER_REQUEST
from bench.scratch import free_bytes, require_room, scratch
from bench.servers import Server
from bench.stores import RSS_MIB_MAX, all_stored

INSTANCES = 1_000_000
INSTANCES_MIN = 50_000
FIRST = (5_000, 20_000)
"""Instances stored, between which the first rate is taken."""
LAST = 50_000
"""The last instances, over which the last rate is taken; of a smaller run, the last fifth."""
STRETCHES = 20
INDEX_BYTES_MAX = 1_000
"""For the check of the disk only: what the index takes per instance, about."""
WAL_BYTES_MAX = 4 * 1024**3
BUSY_INSTANCES = 1_000_000
"""More than are stored while readers wait."""

TARGETS = {
    "store_ratio_min": 0.85,
    "index_bytes_max": 600,
    "search_p50_ms_max": 3.0,
    "search_p95_ms_max": 10.0,
    "page_p50_ms_max": 15.0,
    "part_p50_ms_max": 20.0,
    "rss_mib_max": RSS_MIB_MAX,
}


def measure(count: int) -> dict[str, Any]:
    """Stores so many instances and asks for some.

    Raises:
        SystemExit: There is too little room on the disk, or they are too few.
    """
    if count < INSTANCES_MIN:
        msg = f"a scale run stores at least {INSTANCES_MIN:,} instances"
        raise SystemExit(msg)
    length = len(instances.template(SMALL))
    each = length + INDEX_BYTES_MAX
    fitting = max(INSTANCES_MIN, (free_bytes() - WAL_BYTES_MAX) // each // 10_000 * 10_000)
    require_room(count * each + WAL_BYTES_MAX, f"store fewer: --instances {fitting}")
    studies = count // population.PER_STUDY
    with scratch() as folder, servers.service(folder, len(os.sched_getaffinity(0))) as server:
        scale_tag.add(server)
        watch = Watch(server)
        done = _store(server, count)
        usage = watch.stop()
        index = scale_index.sizes(folder / "data")
        searches = scale_reads.searches(server.root, studies)
        found = [readers.read(server, *each) for each in searches.items()]
        waits = readers.waits(
            server,
            scale_reads.readers(server.root, studies),
            lambda: _stores(server, BUSY_INSTANCES, first_study=studies + 1),
        )
        facts = machine.facts(folder)
    last = min(LAST, count // 5)
    return {
        "instances": count,
        "studies": studies,
        "machine": facts,
        "load": readers.LOAD_NAME,
        "targets": TARGETS,
        "seconds": done.seconds,
        "first": [*FIRST],
        "first_rate": _rate(done, *FIRST),
        "last": [count - last, count],
        "last_rate": _rate(done, count - last, count),
        "stretches": [
            _rate(done, count * at // STRETCHES, count * (at + 1) // STRETCHES)
            for at in range(STRETCHES)
        ],
        "workers_us": (usage.workers_user_s + usage.workers_system_s) / count * 1e6,
        "postgres_us": usage.postgres_s / count * 1e6,
        "client_us": usage.client_s / count * 1e6,
        "rss_mib": usage.rss_mib,
        "index": index,
        "searches": [asdict(figure) for figure in found],
        "waits": [asdict(figure) for figure in waits],
    }


def _store(server: Server, count: int) -> load.Load:
    def told() -> Iterator[Request]:
        began = time.monotonic()
        for number, request in enumerate(_stores(server, count)):
            at = number * PER_REQUEST
            if at and at % (count // 10) < PER_REQUEST:
                rate = at / (time.monotonic() - began)
                print(f"{at:,} of {count:,} instances stored, {rate:,.0f}/s", flush=True)
            yield request

    is_right = all_stored(server, PER_REQUEST)
    return load.run(server.port, told(), connections=CONNECTIONS, is_right=is_right)


def _stores(server: Server, count: int, *, first_study: int = 0) -> Iterator[Request]:
    return population.stores(
        server.root, count=count, per_request=PER_REQUEST, first_study=first_study
    )


def _rate(done: load.Load, first: int, last: int) -> float:
    """Returns the rate between two counts of stored instances."""
    begin = done.ends_s[first // PER_REQUEST - 1] if first >= PER_REQUEST else 0.0
    return (last - first) / (done.ends_s[last // PER_REQUEST - 1] - begin)
