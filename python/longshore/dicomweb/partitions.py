"""Partitions (the model's, not PS3.18's): `/partitions/{name}` before a path, and their list."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicom import Partition
from longshore.dicomweb.media_types import JSON
from longshore.dicomweb.origin import origin_of

PARTITION_PATH = "/partitions/{partition}"


async def partition_of(request: Request) -> Partition:
    """Returns the partition from which a request reads, or in which it deletes.

    Raises:
        InvalidRequest: The path lacks it, or it does not exist.
    """
    return await origin_of(request).partitions.find(request.path_params.get("partition"))


async def new_partition_of(request: Request) -> Partition:
    """Returns the partition into which a request stores; it need not have been there.

    Raises:
        InvalidRequest: The path lacks it, or its name is none.
    """
    return await origin_of(request).partitions.ensure(request.path_params.get("partition"))


async def list_partitions(request: Request) -> Response:
    """Lists all partitions, oldest first."""
    entries = [
        {
            "partitionKey": listed.partition.key,
            "partitionName": listed.partition.name,
            "createdDate": listed.created_at,
        }
        for listed in await origin_of(request).partitions.list_all()
    ]
    return Response(orjson.dumps(entries), media_type=JSON)


partition_routes = [Route("/partitions", list_partitions)]
