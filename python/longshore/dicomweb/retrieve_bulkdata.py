"""Retrieve bulkdata, PS3.18 10.4.1.1.5: one value that the metadata refers to. HTTP in and out."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from longshore.dicomweb import media_types, multipart, negotiation, urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.rendered_as_is import SCRIPTLESS, XML
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.errors import NotFound
from longshore.index.locate import locate
from longshore.services.bulkdata_uris import find_bulkdata
from longshore.services.encapsulated import ENCAPSULATED_DOCUMENT, document_length
from longshore.services.retrieve import Binding, bare, entity_tag
from longshore.services.retrieve_bulkdata import plan_bulkdata
from longshore.services.retrieve_metadata import read_stored_metadata

_MEDIA_TYPE_OF_DOCUMENT = "00420012"
# Documents are only labelled as what a user agent can be told to expect without running it.
_DOCUMENT_TYPES = frozenset({"application/pdf", "text/xml", "model/stl", "model/obj", "model/mtl"})


@relocated
async def retrieve_bulkdata(request: Request) -> Response:
    """Retrieves one value as it lies in the stored file."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    accepted = media_types.accepted(request)
    tag_path = request.path_params["tag_path"]
    origin = origin_of(request)
    (located,) = await locate(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=uids.series_uid,
        sop_instance_uid=uids.sop_instance_uid,
    )
    plain = b""
    if located.has_bulkdata_uri:
        plain = await read_stored_metadata(origin.blobs, located)
    found = find_bulkdata(plain, tag_path)
    if found is None:
        raise NotFound("The specified bulkdata cannot be found.")
    is_document = tag_path == ENCAPSULATED_DOCUMENT
    form = negotiation.bulkdata_form(
        accepted, media_type=_document_type(plain) if is_document else None
    )
    if is_document and form.media_type != media_types.OCTET_STREAM:
        found = found[0], document_length(plain, found[1])
    tag = entity_tag([located], f"{form} bulkdata {found}")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    content_type, binding = form.media_type, bare()
    if form.is_multipart:
        envelope = multipart.envelope(form.media_type, [form.media_type], identity=tag)
        content_type, binding = envelope.content_type, Binding(envelope.heads, envelope.tail)
    if content_type == XML:
        headers |= SCRIPTLESS
    plan = plan_bulkdata(origin.blobs, located, found, binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


def _document_type(plain: bytes) -> str | None:
    """Returns what an encapsulated document says it is (PS3.3 C.24.2), if that is known."""
    values = orjson.loads(plain).get(_MEDIA_TYPE_OF_DOCUMENT, {}).get("Value") or [""]
    media_type = str(values[0]).strip().lower()
    return media_type if media_type in _DOCUMENT_TYPES else None
