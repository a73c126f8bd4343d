"""Bodies from what codecs made: long results are read from their file, chunk by chunk."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from longshore.codecs.results import Result
from longshore.services.retrieve import Plan, plan_bytes, plan_cuts
from longshore.services.retrieve_cut import Binding, Cut
from longshore.services.retrieve_pieces import CHUNK_BYTES, Piece


def plan_result(result: Result, binding: Binding) -> Plan:
    """Plans a body of one result behind its head."""
    if isinstance(result, bytes):
        return plan_bytes([result], binding)

    async def source(cuts: Sequence[Cut]) -> AsyncGenerator[list[Piece], None]:
        for position, cut in enumerate(cuts):
            pieces = result_pieces(position, result, cut.offset, cut.length)
            async with aclosing(pieces) as groups:
                async for group in groups:
                    yield group

    return plan_cuts([len(result)], source, binding)


async def result_pieces(
    at: int, result: Result, offset: int = 0, length: int | None = None
) -> AsyncGenerator[list[Piece], None]:
    """Yields the bytes of a result, or `length` of them from `offset` on.

    Args:
        at: Position of the pieces (0-based).
        result: Of which there may be no other holder.
        offset: Of the first byte; likewise `length`, both within the result.
        length: None: to the end.
    """
    end = len(result) if length is None else offset + length
    if isinstance(result, bytes):
        yield [Piece(at, result[offset:end])]
        return
    while offset < end:
        octets = await asyncio.to_thread(result.read, offset, min(CHUNK_BYTES, end - offset))
        offset += len(octets)
        yield [Piece(at, octets)]
