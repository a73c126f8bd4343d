"""What the routes need of the origin server, in one value."""

from dataclasses import dataclass, field

from starlette.requests import Request

from longshore.blobs.store import BlobStore
from longshore.dicom import DEFAULT_PARTITION_KEY
from longshore.index.database import Database
from longshore.index.search import SearchLimits
from longshore.services.store import Stores


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin server's parts. `app.py` puts one into `app.state.origin`."""

    database: Database
    blobs: BlobStore
    stores: Stores
    search_limits: SearchLimits = field(default_factory=SearchLimits)
    partition_key: int = DEFAULT_PARTITION_KEY


def origin_of(request: Request) -> Origin:
    """Returns the origin server that a request reached."""
    return request.app.state.origin
