"""Webhook: tells the change feed to a receiver, in order, each change at least once.

Every process runs this; one at a time has its turn. The position in the feed is a row of the index
and moves behind what the receiver took, so that a process that is killed leaves at most a page to
be told again. A change that the receiver refuses is tried until it takes it: leaving it out would
lose it, and whoever wants no more of it switches the webhook off.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from longshore.errors import Unavailable
from longshore.index.changes import Change, changes_after
from longshore.index.database import Database
from longshore.index.webhook import WebhookTurn, webhook_turn
from longshore.services.rounds import surviving

_log = logging.getLogger(__name__)

PAGE_COUNT = 200
"""Changes that are read at once, and that a killed process has told twice at most."""
POLL_S = 0.5
"""How long the end of the feed is left alone, in seconds."""
TURN_POLL_S = 2.0
"""How long a process waits that has not its turn, or has lost it, in seconds."""
RETRY_S_MIN = 0.5
"""First pause behind a failed delivery, in seconds; it doubles with each further one."""

Deliver = Callable[[Sequence[Change]], Awaitable[None]]
"""Gives n changes, at least one, to the receiver; raises `Unavailable` unless it took them all."""


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """How changes are told.

    Attributes:
        batch_count_max: Changes of one delivery.
        retry_s_max: Longest pause between two tries.
    """

    batch_count_max: int = 1
    retry_s_max: float = 60.0


async def tell_forever(database: Database, deliver: Deliver, rules: WebhookRules) -> None:
    """Tells changes whenever it is this process's turn, until cancelled."""
    while True:
        with surviving(_log, "the webhook's turn ended"):
            async with webhook_turn(database) as turn:
                if turn is not None:
                    await _Teller(database, turn, deliver, rules).run()
        await asyncio.sleep(TURN_POLL_S)


class _Teller:
    """One turn."""

    def __init__(
        self, database: Database, turn: WebhookTurn, deliver: Deliver, rules: WebhookRules
    ) -> None:
        self._database = database
        self._turn = turn
        self._deliver = deliver
        self._rules = rules

    async def run(self) -> None:
        """Tells changes until the turn is lost."""
        while True:
            position = await self._turn.position()
            page = await changes_after(self._database, watermark=position, limit=PAGE_COUNT)
            if page:
                await self._tell(position, page)
            if len(page) < PAGE_COUNT:
                await asyncio.sleep(POLL_S)

    async def _tell(self, position: int, page: Sequence[Change]) -> None:
        """Tells a page, and moves the position as far as the receiver took it."""
        told = position
        try:
            for first in range(0, len(page), self._rules.batch_count_max):
                some = page[first : first + self._rules.batch_count_max]
                await self._insist(some)
                told = some[-1].watermark
        finally:
            # Behind a stop, too: then nothing is told twice.
            if told > position:
                await self._turn.move(start=position, end=told)

    async def _insist(self, some: Sequence[Change]) -> None:
        """Tells some changes, again and again until the receiver takes them."""
        pause_s = min(RETRY_S_MIN, self._rules.retry_s_max)
        while True:
            try:
                await self._deliver(some)
            except Unavailable as error:
                first, last = some[0].watermark, some[-1].watermark
                _log.warning("changes %d to %d are not delivered: %s", first, last, error)
            else:
                return
            # Not all at the same moment, where many services tell one receiver that comes back.
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
            pause_s = min(2 * pause_s, self._rules.retry_s_max)
            await self._turn.position()  # fails if the turn was lost meanwhile
