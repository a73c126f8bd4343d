"""A figure: what one run of one scenario showed, per instance where it is a cost."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Load
from bench.processes import Watch
from bench.servers import Server


@dataclass(frozen=True)
class Figure:
    """What one run of one scenario showed.

    Attributes:
        count: Of `unit`, say instances, in `seconds`.
        workers_user_us: Processor time per instance; likewise in the system, in PostgreSQL, and of
            the client.
        rss_mib: Highest RSS of any process that serves.
    """

    scenario: str
    server: str
    unit: str
    count: int
    seconds: float
    rate: float
    p50_ms: float
    p95_ms: float
    megabytes_per_s: float
    workers_user_us: float
    workers_system_us: float
    postgres_us: float
    client_us: float
    rss_mib: float


def measure(
    scenario: str,
    server: Server,
    unit: str,
    do: Callable[[], Load],
    *,
    per_request: int,
    sent_bytes: int = 0,
) -> Figure:
    """Runs a load and returns its figure.

    Args:
        sent_bytes: Of all requests; with 0 the bytes of the answers count.
    """
    watch = Watch(server)
    try:
        done = do()
    except Exception as error:
        error.add_note(f"in {scenario}, {server.name}")
        raise
    usage = watch.stop()
    count = len(done.latencies_s) * per_request
    us = 1e6 / count
    return Figure(
        scenario=scenario,
        server=server.name,
        unit=unit,
        count=count,
        seconds=done.seconds,
        rate=count / done.seconds,
        p50_ms=done.percentile_ms(0.50),
        p95_ms=done.percentile_ms(0.95),
        megabytes_per_s=(sent_bytes or done.received_bytes) / done.seconds / 1e6,
        workers_user_us=usage.workers_user_s * us,
        workers_system_us=usage.workers_system_s * us,
        postgres_us=usage.postgres_s * us,
        client_us=usage.client_s * us,
        rss_mib=usage.rss_mib,
    )
