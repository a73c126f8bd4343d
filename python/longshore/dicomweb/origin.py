"""What the routes need of the origin server, in one value."""

import asyncio
from dataclasses import dataclass, field

from starlette.requests import Request

from longshore.blobs.store import BlobStore
from longshore.index.database import Database
from longshore.index.search import SearchLimits
from longshore.services.partitions import Partitions
from longshore.services.store import Stores


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin server's parts. `app.py` puts one into `app.state.origin`.

    Attributes:
        reindex_wanted: Set where extended query tags have changed, so that nobody need wait.
    """

    database: Database
    blobs: BlobStore
    stores: Stores
    search_limits: SearchLimits = field(default_factory=SearchLimits)
    partitions: Partitions = field(default_factory=Partitions)
    reindex_wanted: asyncio.Event = field(default_factory=asyncio.Event)


def origin_of(request: Request) -> Origin:
    """Returns the origin server that a request reached."""
    return request.app.state.origin
