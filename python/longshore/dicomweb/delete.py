"""Delete (the model's extension to PS3.18): removes a study, a series or an instance."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.index.delete import delete
from longshore.services.packs import record_dead


async def delete_instances(request: Request) -> Response:
    """Deletes what the path names, at once and for every reader; 204.

    The bytes are only marked: a background task takes them off the packs.
    """
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    origin = origin_of(request)
    dead_entries = await delete(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )
    await record_dead(origin.blobs, dead_entries)
    return Response(status_code=204)


delete_routes = [
    Route(path, delete_instances, methods=["DELETE"])
    for path in (
        "/studies/{study}",
        "/studies/{study}/series/{series}",
        "/studies/{study}/series/{series}/instances/{instance}",
    )
]
