"""Retrieve metadata, PS3.18 10.4.1.1.2: HTTP in and out.

DICOM JSON, as it lies where it can be, or Native DICOM Model XML, written on the way.
`includefield` leaves out what is not named.
"""

import json

from starlette.requests import Request
from starlette.responses import Response

from longshore.dicomweb import media_types, multipart, native_xml, urls
from longshore.dicomweb.media_types import DICOM_JSON, DICOM_XML
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.dicomweb.search_attributes import path_of
from longshore.index.locate import Located, locate
from longshore.services.retrieve import Binding, bare, entity_tag, in_pack_order
from longshore.services.retrieve_documents import plan_documents
from longshore.services.retrieve_metadata import Metadata, plan_metadata


@relocated
async def retrieve_metadata(request: Request) -> Response:
    """Retrieves the metadata of a study, a series or an instance."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    media_type = media_types.dicom_json_or_xml(request, in_parts=True)
    is_gzip = media_types.accepts_gzip(request.headers.get("accept-encoding"))
    fields = included_fields(request)
    located = await locate(
        origin_of(request).database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )
    service = urls.service_url(request)
    is_multipart = media_type == DICOM_XML and not (
        uids.is_one_instance and _is_bare_xml_asked(request)
    )
    coding = "gzip" if is_gzip else "identity"
    root = service if any(each.has_bulkdata_uri for each in located) else ""
    form = "" if media_type == DICOM_JSON else f" {media_type} {is_multipart}"
    chosen = "" if fields is None else f" {sorted(fields)}"
    tag = entity_tag(located, f"metadata {coding} {root}{form}{chosen}")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept, Accept-Encoding"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    if is_gzip:
        headers["Content-Encoding"] = "gzip"

    def url_of(each: Located) -> str:
        return urls.instance_url(service, each.study_uid, each.series_uid, each.sop_instance_uid)

    ordered = in_pack_order(located)
    metadata = Metadata(origin_of(request).blobs, ordered, url_of, fields)
    if media_type == DICOM_JSON:
        plan = plan_metadata(metadata, is_gzip=is_gzip)
        return await streamed(request, plan, {"Content-Type": DICOM_JSON, **headers})
    content_type, binding = DICOM_XML, bare()
    if is_multipart:
        order = entity_tag(ordered, tag)
        envelope = multipart.envelope(DICOM_XML, [DICOM_XML] * len(ordered), identity=order)
        content_type, binding = envelope.content_type, Binding(envelope.heads, envelope.tail)
    plan = plan_documents(metadata, _xml, binding, is_gzip=is_gzip)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


def included_fields(request: Request) -> frozenset[str] | None:
    """Returns the tags that `includefield` names, eight digits each; None if it leaves out nothing.

    Names that are no attribute have no values anywhere, so they name nothing. Who names a member of
    a sequence gets the sequence.
    """
    texts = request.query_params.getlist("includefield")
    names = [name.strip() for text in texts for name in text.split(",") if name.strip()]
    if not names or any(name.lower() == "all" for name in names):
        return None
    paths = [path_of(name) for name in names]
    return frozenset(f"{path[0]:08X}" for path in paths if path)


def _is_bare_xml_asked(request: Request) -> bool:
    """Tells whether one document may come without multipart: it was asked for by its own name."""
    ranges = media_types.accepted(request)
    return not any(each.media_type == media_types.RELATED for each in ranges)


def _xml(plain: bytes) -> bytes:
    # Numbers stay the texts that they are, so that XML has the digits of the file.
    return native_xml.write(json.loads(plain, parse_float=str, parse_int=str))
