"""Retrieve metadata as documents, one for each instance, written while they are sent.

Memory: one group of instances, as many as one read of their metadata gives.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from longshore.services.retrieve import Binding, Plan
from longshore.services.retrieve_metadata import Metadata, inflated_groups

_GZIP_LEVEL = 6
_GZIP_BITS = zlib.MAX_WBITS | 16  # with a gzip header and trailer


def plan_documents(
    metadata: Metadata, write: Callable[[bytes], bytes], binding: Binding, *, is_gzip: bool
) -> Plan:
    """Plans a body of n documents, plain or as one gzip member; its length is not known.

    Args:
        metadata: n instances.
        write: Makes a document of an instance's JSON object; called in another thread.
        binding: n heads and a tail.
    """
    return Plan(None, lambda: _bodies(metadata, write, binding, is_gzip=is_gzip))


async def _bodies(
    metadata: Metadata, write: Callable[[bytes], bytes], binding: Binding, *, is_gzip: bool
) -> AsyncGenerator[bytes, None]:
    gzip = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS) if is_gzip else None

    def bound(plains: Sequence[bytes], heads: Sequence[bytes]) -> bytes:
        documents = map(write, plains)
        pieces = [piece for pair in zip(heads, documents, strict=True) for piece in pair]
        return gzip.compress(b"".join(pieces)) if gzip else b"".join(pieces)

    begun = 0
    async with aclosing(inflated_groups(metadata)) as groups:
        async for plains in groups:
            heads = binding.heads[begun : begun + len(plains)]
            begun += len(plains)
            chunk = await asyncio.to_thread(bound, plains, heads)
            if chunk:  # gzip may hold all of it back
                yield chunk
    yield gzip.compress(binding.tail) + gzip.flush() if gzip else binding.tail
