"""The webhook of a running service: killed, restarted, with a receiver that hangs or is dead."""

import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import synthetic
from tests.support.receiver import HANG, Receiver
from tests.support.service import Service, running
from tests.support.stow import multipart

pytestmark = pytest.mark.timeout(300)

COUNT_PER_ROUND = 150
KILLS = 4


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.listening():
        yield receiver


def options(receiver: Receiver) -> list[str]:
    return ["--webhook-url", receiver.url, "--webhook-retry-s-max", "0.5", "--workers", "3"]


def store(service: Service, numbers: range) -> None:
    content_type, body = multipart([synthetic.ct(number) for number in numbers])
    headers = {"Content-Type": content_type}
    answer = httpx.post(f"{service.url}/v2/studies", content=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def test_killed_again_and_again_none_is_lost_and_the_order_holds(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Each kill -9 ends every process in the middle of telling; at least once, in order."""
    with running(tmp_path / "data", *options(receiver)) as service:
        for turn in range(KILLS):
            store(service, range(turn * COUNT_PER_ROUND + 1, (turn + 1) * COUNT_PER_ROUND + 1))
            wanted = len(receiver.requests) + 40
            receiver.wait(lambda wanted=wanted: len(receiver.requests) >= wanted)
            service.kill()
            service.start()
        last = KILLS * COUNT_PER_ROUND
        receiver.wait(lambda: last in receiver.sequences)
    firsts = list(dict.fromkeys(receiver.sequences))
    assert firsts == list(range(1, last + 1))
    ids = {event["data"]["sequenceNumber"]: event["id"] for event in receiver.accepted}
    assert all(ids[e["data"]["sequenceNumber"]] == e["id"] for e in receiver.accepted), (
        "what is told twice can be recognised"
    )
    assert "hush" not in service.log.read_text()


def test_workers_are_killed_one_by_one_while_others_store(
    tmp_path: Path, receiver: Receiver
) -> None:
    with running(tmp_path / "data", *options(receiver)) as service:
        for number in range(1, 61):
            if number % 20 == 0:
                os.kill(service.workers()[0].pid, signal.SIGKILL)
            deadline = time.monotonic() + 60
            while True:
                try:
                    store(service, range(number, number + 1))
                except (httpx.TransportError, AssertionError):
                    assert time.monotonic() < deadline
                    if exists(service, number):
                        break
                else:
                    break
        receiver.wait(lambda: 60 in receiver.sequences)
    assert list(dict.fromkeys(receiver.sequences)) == list(range(1, 61))


def exists(service: Service, number: int) -> bool:
    """Whether a Store whose answer was lost has been committed."""
    url = f"{service.url}/v2{synthetic.path(number)}/metadata"
    try:
        return httpx.get(url, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("is_there", [True, False])
def test_a_receiver_that_hangs_or_is_dead_costs_nothing_else(
    tmp_path: Path, is_there: bool
) -> None:
    receiver = Receiver()
    receiver.statuses.extend([HANG] * 100)
    listening = receiver.listening()
    if is_there:
        listening.__enter__()
    try:
        rules = [*options(receiver), "--database-connection-count-max", "2"]
        with running(tmp_path / "data", *rules) as service:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                stores = [pool.submit(store, service, range(n, n + 1)) for n in range(1, 65)]
                for each in stores:
                    each.result()
            found = httpx.get(f"{service.url}/v2/instances?limit=200", timeout=60)
            assert len(found.json()) == 64
            begin = time.monotonic()
            service.stop()
            assert time.monotonic() - begin < 30, "a stop does not wait for the receiver"
    finally:
        if is_there:
            listening.__exit__(None, None, None)
