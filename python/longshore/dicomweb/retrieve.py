"""Retrieve transaction (WADO-RS), PS3.18 10.4: HTTP in and out.

Studies, series and instances, their metadata, frames and bulkdata, in the stored transfer syntax.
Every status is decided before the first byte.
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
from longshore.dicomweb.retrieve_bulkdata import retrieve_bulkdata
from longshore.dicomweb.retrieve_frames import retrieve_frames
from longshore.index.locate import Located, locate
from longshore.services.retrieve import (
    Binding,
    bare,
    entity_tag,
    in_pack_order,
    plan_extents,
)
from longshore.services.retrieve_metadata import Metadata, plan_metadata


@relocated
async def retrieve_instances(request: Request) -> Response:
    """Retrieves a study, a series or an instance (PS3.18 10.4.1.1.1)."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    accepted = media_types.accepted(request)
    located = await _located(request, partition, uids)
    ordered = in_pack_order(located)
    form = negotiation.instances_form(
        accepted,
        transfer_syntax_uids={each.transfer_syntax_uid for each in located},
        is_one_instance=uids.is_one_instance,
    )
    part_types = [
        multipart.part_type(form.media_type, each.transfer_syntax_uid) for each in ordered
    ]
    if form.is_multipart:
        envelope = multipart.envelope(form.media_type, part_types)
        content_type, binding = envelope.content_type, Binding(envelope.heads, envelope.tail)
    else:
        content_type, binding = part_types[0], bare()
    tag = entity_tag(located, f"{form}")
    # The boundary is new each time: equal in meaning, not in bytes (RFC 9110 8.8.1).
    headers = {"ETag": f'W/"{tag}"' if form.is_multipart else f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    plan = plan_extents(origin_of(request).blobs, [each.payload for each in ordered], binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


@relocated
async def retrieve_metadata(request: Request) -> Response:
    """Retrieves the DICOM JSON of a study, a series or an instance (PS3.18 10.4.1.1.2)."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    media_types.require_dicom_json(request)
    is_gzip = media_types.accepts_gzip(request.headers.get("accept-encoding"))
    located = await _located(request, partition, uids)
    service = urls.service_url(request)
    has_urls = any(each.has_bulkdata_uri for each in located)
    coding = "gzip" if is_gzip else "identity"
    tag = entity_tag(located, f"metadata {coding} {service if has_urls else ''}")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept, Accept-Encoding"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    if is_gzip:
        headers["Content-Encoding"] = "gzip"

    def url_of(each: Located) -> str:
        return urls.instance_url(service, each.study_uid, each.series_uid, each.sop_instance_uid)

    metadata = Metadata(origin_of(request).blobs, in_pack_order(located), url_of)
    plan = plan_metadata(metadata, is_gzip=is_gzip)
    return await streamed(request, plan, {"Content-Type": media_types.DICOM_JSON, **headers})


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
    *(Route(path, retrieve_instances) for path in (_STUDY, _SERIES, _INSTANCE)),
    *(Route(f"{path}/metadata", retrieve_metadata) for path in (_STUDY, _SERIES, _INSTANCE)),
    Route(_INSTANCE + "/frames/{frames}", retrieve_frames),
    Route(_INSTANCE + "/bulkdata/{tag_path:path}", retrieve_bulkdata),
]
