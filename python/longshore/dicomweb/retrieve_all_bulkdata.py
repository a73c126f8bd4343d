"""Retrieve all bulkdata, or all pixel data, of a study, a series or an instance: HTTP in and out.

PS3.18 10.4.1.1.5 and 10.4.1.1.6 (CP-2040). Bulkdata are the values that the metadata refer to;
pixel data have resources of their own.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import media_types, multipart, negotiation, transfer_syntaxes, urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.index.locate import Located, locate
from longshore.index.locate_pixels import locate_pixels
from longshore.services.retrieve import Binding, bare, entity_tag, in_pack_order
from longshore.services.retrieve_contents import find_all_bulkdata, plan_contents
from longshore.services.retrieve_pixels import PixelValue, pixel_values, plan_pixels


@relocated
async def retrieve_all_bulkdata(request: Request) -> Response:
    """Retrieves every value that the metadata refer to, one part each."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    accepted = media_types.accepted(request)
    origin = origin_of(request)
    located = await locate(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )
    contents = await find_all_bulkdata(origin.blobs, in_pack_order(located))
    form = negotiation.all_bulkdata_form(accepted, value_count=len(contents))
    service = urls.service_url(request)
    tag = entity_tag([each.located for each in contents], f"{form} all bulkdata {service}")
    headers = {"ETag": _tag(tag, located), "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    locations = [f"{_url(service, each.located)}/bulkdata/{each.tag_path}" for each in contents]
    content_type, binding = _around(form, [form.media_type] * len(contents), locations, tag)
    plan = plan_contents(origin.blobs, contents, binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


@relocated
async def retrieve_pixel_data(request: Request) -> Response:
    """Retrieves pixel data: native ones in one part each, compressed ones in a part for a frame."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    accepted = media_types.accepted(request)
    origin = origin_of(request)
    sources = await locate_pixels(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )
    by_key = {each.located.instance_key: each for each in sources}
    located = [each.located for each in sources]
    ordered = [by_key[each.instance_key] for each in in_pack_order(located)]
    values = pixel_values(ordered)
    syntaxes = [_syntax(each) for each in values]
    form = negotiation.pixel_data_form(
        accepted, transfer_syntax_uids=sorted(set(syntaxes)), value_count=len(values)
    )
    service = urls.service_url(request)
    tag = entity_tag([each.located for each in ordered], f"{form} pixel data {service}")
    headers = {"ETag": _tag(tag, located), "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    types = [multipart.part_type(form.media_type, syntax) for syntax in syntaxes]
    locations = [f"{_url(service, each.source.located)}{_below(each)}" for each in values]
    content_type, binding = _around(form, types, locations, tag)
    plan = await plan_pixels(origin.blobs, values, binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


def _around(
    form: negotiation.Form, part_types: Sequence[str], locations: Sequence[str], identity: str
) -> tuple[str, Binding]:
    if not form.is_multipart:
        return part_types[0], bare()
    envelope = multipart.envelope(
        form.media_type, part_types, identity=identity, locations=locations
    )
    return envelope.content_type, Binding(envelope.heads, envelope.tail)


def _tag(tag: str, located: Sequence[Located]) -> str:
    """Returns the ETag; weak for several instances, whose order may change with their packs."""
    return f'W/"{tag}"' if len(located) > 1 else f'"{tag}"'


def _syntax(value: PixelValue) -> str:
    return transfer_syntaxes.served_frame_syntax(value.source.located.transfer_syntax_uid)


def _url(service: str, each: Located) -> str:
    return urls.instance_url(service, each.study_uid, each.series_uid, each.sop_instance_uid)


def _below(value: PixelValue) -> str:
    return "/pixeldata" if value.frame_number is None else f"/frames/{value.frame_number}"


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_LEVELS = (_STUDY, _SERIES, _SERIES + "/instances/{instance}")

all_bulkdata_routes = [
    *(Route(f"{level}/bulkdata", retrieve_all_bulkdata) for level in _LEVELS),
    *(Route(f"{level}/pixeldata", retrieve_pixel_data) for level in _LEVELS),
]
