"""Retrieve transaction (WADO-RS), PS3.18 10.4: HTTP in and out.

Studies, series and instances here, and the routes of all of Retrieve. Every status is decided
before the first byte.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicom import Partition
from longshore.dicomweb import media_types, multipart, negotiation, urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.dicomweb.retrieve_all_bulkdata import all_bulkdata_routes
from longshore.dicomweb.retrieve_bulkdata import retrieve_bulkdata
from longshore.dicomweb.retrieve_frames import retrieve_frames
from longshore.dicomweb.retrieve_metadata import retrieve_metadata
from longshore.dicomweb.retrieve_rendered import retrieve_rendered, retrieve_thumbnail
from longshore.index.locate import Located, locate
from longshore.services.retrieve import (
    Binding,
    bare,
    entity_tag,
    in_pack_order,
    plan_extents,
)
from longshore.services.retrieve_zip import plan_zip


@relocated
async def retrieve_instances(request: Request) -> Response:
    """Retrieves a study, a series or an instance (PS3.18 10.4.1.1.1)."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    accepted = media_types.accepted(request)
    return await answer_instances(request, partition, uids, accepted)


async def answer_instances(
    request: Request,
    partition: Partition,
    uids: urls.PathUids,
    accepted: Sequence[media_types.MediaRange],
) -> Response:
    """Answers with the instances of a study, a series or one instance.

    Args:
        accepted: n ranges, best first; none means anything.
    """
    located = await _located(request, partition, uids)
    ordered = in_pack_order(located)
    form = negotiation.instances_form(
        accepted,
        transfer_syntax_uids={each.transfer_syntax_uid for each in located},
        is_one_instance=uids.is_one_instance,
    )
    tag = entity_tag(located, f"{form}")
    # Merging packs changes the order of several parts, which is no reason to read them again: the
    # tag is weak, and ranges of two orders have different boundaries.
    headers = {"ETag": f'W/"{tag}"' if len(located) > 1 else f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    if form.media_type == media_types.ZIP:
        name = uids.sop_instance_uid or uids.series_uid or uids.study_uid
        headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
        plan = plan_zip(origin_of(request).blobs, located)
        return await streamed(request, plan, {"Content-Type": media_types.ZIP, **headers})
    part_types = [
        multipart.part_type(form.media_type, form.target or each.transfer_syntax_uid)
        for each in ordered
    ]
    content_type, binding = part_types[0], bare()
    if form.is_multipart:
        order = entity_tag(ordered, tag)
        envelope = multipart.envelope(form.media_type, part_types, identity=order)
        content_type, binding = envelope.content_type, Binding(envelope.heads, envelope.tail)
    origin = origin_of(request)
    if form.target is not None:
        plan = origin.pictures.plan_files(ordered, form.target, binding)
    else:
        plan = plan_extents(origin.blobs, [each.payload for each in ordered], binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


async def _located(
    request: Request, partition: Partition, uids: urls.PathUids
) -> Sequence[Located]:
    return await locate(
        origin_of(request).database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"

retrieve_routes = [
    # Frames and instances by the thousand, studies once.
    Route(_INSTANCE + "/frames/{frames}", retrieve_frames),
    *(Route(path, retrieve_instances) for path in (_INSTANCE, _SERIES, _STUDY)),
    *(Route(f"{path}/metadata", retrieve_metadata) for path in (_INSTANCE, _SERIES, _STUDY)),
    *(
        Route(f"{path}/{name}", endpoint)
        for path in (_STUDY, _SERIES, _INSTANCE, _INSTANCE + "/frames/{frames}")
        for name, endpoint in (("rendered", retrieve_rendered), ("thumbnail", retrieve_thumbnail))
    ),
    # Before one value's: a slash at the end of all is no path of tags.
    *all_bulkdata_routes,
    Route(_INSTANCE + "/bulkdata/{tag_path:path}", retrieve_bulkdata),
]
