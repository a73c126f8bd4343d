"""What workers ask of the codecs' processes.

The libraries are imported there, when the first task comes: workers never need them in memory.
"""

from collections.abc import Sequence

from longshore.codecs.facts import PixelFacts, StoredPixels
from longshore.codecs.wish import Wish


def transcode_frame(facts: PixelFacts, octets: bytes, target: str) -> bytes:
    """See `longshore.codecs.frames.transcode`."""
    from longshore.codecs.frames import transcode

    return transcode(facts, octets, target)


def transcode_file(content: bytes, target: str) -> bytes:
    """See `longshore.codecs.instances.transcode_file`."""
    from longshore.codecs import instances

    return instances.transcode_file(content, target)


def render(stored: StoredPixels, numbers: Sequence[int], wish: Wish, *frames: bytes) -> bytes:
    """See `longshore.codecs.rendering.render`; n frames by themselves are not pickled."""
    from longshore.codecs import rendering

    return rendering.render(stored, list(zip(numbers, frames, strict=True)), wish)
