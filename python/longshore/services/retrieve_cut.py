"""Parts of a planned body: which bytes of which content a range of it takes, and nothing else.

A body is n contents, a head before each, and a tail. A range of it is such a body again, with fewer
contents, cut at both ends, so that what lies outside is never read.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from longshore.services.retrieve_pieces import Piece


class Cut(NamedTuple):
    """`length` bytes of the content at position `at` (0-based), from `offset` on; may be 0."""

    at: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Binding:
    """What goes around the bytes of n contents: n heads, one before each, and a tail."""

    heads: Sequence[bytes]
    tail: bytes

    @property
    def length(self) -> int:
        """Bytes of all heads and the tail."""
        return sum(map(len, self.heads)) + len(self.tail)


def bare() -> Binding:
    """Returns the binding of a single part: nothing."""
    return Binding((b"",), b"")


def cut_body(
    lengths: Sequence[int], binding: Binding, first: int, length: int
) -> tuple[list[Cut], Binding]:
    """Returns what `length` bytes of a body hold, from its byte `first` (0-based) on.

    Args:
        lengths: Bytes of the n contents.
        binding: What goes around them.

    Returns:
        m cuts in order, and the binding of those m contents: of heads and tail, what is within.
    """
    stop = first + length
    # ends[i]: where the content at i ends in the body, its head and all before it included.
    ends = list(accumulate(map(int.__add__, map(len, binding.heads), lengths)))
    start = bisect_right(ends, first)
    cuts: list[Cut] = []
    heads: list[bytes] = []
    for at in range(start, len(ends)):
        head, end = binding.heads[at], ends[at]
        content_begin = end - lengths[at]
        head_begin = content_begin - len(head)
        if head_begin >= stop:
            break
        heads.append(head[max(first - head_begin, 0) : max(stop - head_begin, 0)])
        begin, until = max(first, content_begin), min(stop, end)
        is_any = begin < until
        cuts.append(Cut(at, begin - content_begin, until - begin) if is_any else Cut(at, 0, 0))
    tail_begin = ends[-1] if ends else 0
    tail = binding.tail[max(first - tail_begin, 0) : max(stop - tail_begin, 0)]
    return cuts, Binding(heads, tail)


def whole(lengths: Sequence[int]) -> list[Cut]:
    """Returns the cuts that take all of n contents."""
    return [Cut(at, 0, length) for at, length in enumerate(lengths)]


def cut_values(values: Sequence[bytes], cuts: Sequence[Cut]) -> list[Piece]:
    """Returns m cuts of n values that are in memory; a piece's position is its cut's."""
    return [
        Piece(position, values[each.at][each.offset : each.offset + each.length])
        for position, each in enumerate(cuts)
    ]
