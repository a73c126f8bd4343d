"""kill -9 of anything under load: what was acknowledged is there, byte-equal, and listed once.

`make test ARGS='-k kill_9_at_random --kill-rounds 500 --kill-seed 7'` runs more, or other, rounds.
"""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.leftovers import assert_no_orphans, wait_until_swept
from tests.support.load import (
    SETTLE_S_MAX,
    Pushers,
    check_all,
    check_one,
    is_healthy,
    pushers,
    pushing,
    wait_for,
)
from tests.support.ports import free_port
from tests.support.processes import postgres_processes
from tests.support.service import Service

CLIENTS = 4
WORKERS = 2
STATUSES = {0, 200, 202, 409, 503}
"""0: the connection broke. 409: sent once more, and all of it was stored at first."""


def kill(processes: list[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def postmaster(service: Service) -> list[psutil.Process]:
    every = postgres_processes(service.data)
    numbers = {each.pid for each in every}
    return [each for each in every if each.ppid() not in numbers]


def kill_a_worker(service: Service, chance: random.Random) -> None:
    workers = service.workers()
    kill(chance.sample(workers, min(1, len(workers))))


def kill_all_workers(service: Service, _: random.Random) -> None:
    kill(service.workers())


def kill_postmaster(service: Service, _: random.Random) -> None:
    kill(postmaster(service))


def kill_a_backend(service: Service, chance: random.Random) -> None:
    first = {each.pid for each in postmaster(service)}
    others = [each for each in postgres_processes(service.data) if each.pid not in first]
    kill(chance.sample(others, min(1, len(others))))


def kill_postgres(service: Service, _: random.Random) -> None:
    kill(postgres_processes(service.data))


def kill_the_first_process(service: Service, _: random.Random) -> None:
    assert service.process is not None
    service.process.kill()
    # Else it may seem to be there yet, since its workers answer for a while.
    service.process.wait()


def kill_service(service: Service, _: random.Random) -> None:
    service.kill()


def kill_everything(service: Service, chance: random.Random) -> None:
    others = [*service.workers(), *postgres_processes(service.data)]
    kill_the_first_process(service, chance)
    kill(others)


KILLS: list[Callable[[Service, random.Random], None]] = [
    kill_a_worker,
    kill_all_workers,
    kill_postmaster,
    kill_a_backend,
    kill_postgres,
    kill_the_first_process,
    kill_service,
    kill_everything,
]


def recover(service: Service) -> None:
    """Waits until it serves again; starts it again where its first process is gone.

    A worker that dies within seconds of being replaced ends the service, as documented: whatever
    watches over it starts it again.
    """
    deadline = time.monotonic() + 90
    while not (has_first_process(service) and is_healthy(service)):
        assert time.monotonic() < deadline, service.log.read_text()[-4000:]
        if not has_first_process(service):
            service.process = None
            service.start()
        time.sleep(0.02)


def has_first_process(service: Service) -> bool:
    return service.process is not None and service.process.poll() is None


@pytest.mark.timeout(7200)
def test_kill_9_at_random_loses_nothing_that_was_acknowledged(
    tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds: int = pytestconfig.option.kill_rounds
    seed: int = pytestconfig.option.kill_seed
    chance = random.Random(seed)  # noqa: S311
    # Drawn first: the same kills at the same moments, whatever is drawn in between.
    plan = [(chance.uniform(0.0, 0.5), chance.choice(KILLS)) for _ in range(rounds)]
    service = Service(tmp_path / "data", free_port(), ["--workers", str(WORKERS)])
    fleet = pushers(CLIENTS)
    counts = Counter(strike.__name__ for _, strike in plan)
    service.start()
    try:
        with pushing(service.url, fleet):
            for pause_s, strike in plan:
                fleet.wait_until_moving(1)
                time.sleep(pause_s)
                strike(service, chance)
                recover(service)
                check_some(service, fleet, chance)
            fleet.wait_until_moving()
        wait_for(lambda: len(service.workers()) == WORKERS)
        service.stop()
        service.arguments = ["--sweep-grace-s", "0", "--sweep-interval-s", "0.2"]
        service.start()
        wait_until_swept(service, service.data / "blobs")
        assert_no_orphans(service)
        total = check_all(service, fleet)
        service.stop()
    finally:
        end(service)
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{rounds} rounds of kill -9 (seed {seed}: {dict(counts)}):"
            f" {len(fleet.acknowledged)} instances acknowledged, {total} stored,"
            f" answers {dict(fleet.statuses)}"
        )
    assert set(fleet.statuses) <= STATUSES
    assert fleet.acknowledged_count > rounds


def check_some(service: Service, fleet: Pushers, chance: random.Random) -> None:
    """Between rounds: a sample, since the whole is checked at the end.

    Behind a first process that was killed, its workers answer for a while, and close connections.
    """
    deadline = time.monotonic() + SETTLE_S_MAX
    while True:
        try:
            check_sample(service, fleet, chance)
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, service.log.read_text()[-4000:]
            recover(service)


def check_sample(service: Service, fleet: Pushers, chance: random.Random) -> None:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for pusher in fleet.every:
            known = sorted(pusher.acknowledged)
            for path in chance.sample(known, min(3, len(known))):
                check_one(client, path, pusher.sent[path])


def end(service: Service) -> None:
    """Leaves no process behind, whatever the test came to."""
    service.kill()
    for process in postgres_processes(service.data):
        with contextlib.suppress(psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGKILL)
