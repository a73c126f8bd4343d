"""What the routes need of the origin server, in one value."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from longshore.blobs.store import BlobStore
from longshore.codecs.facts import PixelFacts
from longshore.codecs.pool import CodecPool
from longshore.codecs.results import Result
from longshore.dicomweb.proxies import LOOPBACK, Network
from longshore.index.database import Database
from longshore.index.search import SearchLimits
from longshore.services.kept import Kept
from longshore.services.partitions import Partitions
from longshore.services.pictures import Pictures
from longshore.services.store import Stores

PIXEL_FACTS_COUNT_MAX = 4_096
"""Instances whose facts a process remembers, some hundred bytes each."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin server's parts. `app.py` puts one into `app.state.origin`.

    Attributes:
        codecs: Where frames are decoded, encoded and rendered.
        kept: What came out of there; the keys begin with an instance key.
        pixel_facts: What describes the pixels of instances whose frames were decoded, likewise.
        reindex_wanted: Set where extended query tags have changed, so that nobody need wait.
        public_url: How URLs begin that answers give out; empty: as the request was sent.
        trusted_proxies: Whose word counts of the request that they were sent.
        is_accept_strict: A request must say what it accepts.
    """

    database: Database
    blobs: BlobStore
    stores: Stores
    search_limits: SearchLimits = field(default_factory=SearchLimits)
    partitions: Partitions = field(default_factory=Partitions)
    codecs: CodecPool = field(default_factory=CodecPool)
    kept: Kept[Result] = field(default_factory=lambda: Kept(0, len))
    pixel_facts: Kept[PixelFacts] = field(
        default_factory=lambda: Kept(PIXEL_FACTS_COUNT_MAX, lambda _: 1)
    )
    reindex_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    public_url: str = ""
    trusted_proxies: Sequence[Network] = LOOPBACK
    is_accept_strict: bool = False

    @property
    def pictures(self) -> Pictures:
        """What makes frames and instances that are not stored so."""
        return Pictures(self.blobs, self.codecs, self.kept, self.pixel_facts)


def origin_of(request: Request) -> Origin:
    """Returns the origin server that a request reached."""
    return request.app.state.origin
