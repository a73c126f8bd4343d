"""Store transaction (STOW-RS), PS3.18 10.5: HTTP in and out.

Knows media types and status codes; knows nothing of SQL, blobs or DICOM encoding.
"""

import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import media_types, store_response, urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import new_partition_of
from longshore.dicomweb.store_metadata import read_parts
from longshore.dicomweb.store_terms import store_terms
from longshore.dicomweb.versions import api_version
from longshore.services.store_body import StoreTarget

_LENGTH = re.compile(r"[0-9]{1,15}")


async def store_instances(request: Request) -> Response:
    """Stores the body's instances (PS3.18 10.5), in one study if the path names it.

    PUT replaces what is stored already (the model's upsert).
    """
    # Whatever becomes of the request, as the model has it.
    partition = await new_partition_of(request)
    media_type = media_types.dicom_json_or_xml(request)
    content = media_types.store_content(request)
    study_uid = None
    if "study" in request.path_params:
        study_uid = urls.checked_uid(request.path_params["study"])
    version = api_version(request)
    reading = None
    if content.is_metadata:
        url = str(request.url.replace(query=""))
        reading = partial(read_parts, root_type=content.root_type or "", base_url=url)
    outcome = await origin_of(request).stores.store(
        request.stream(),
        StoreTarget(
            partition=partition,
            boundary=content.boundary,
            root_type=content.root_type,
            study_uid=study_uid,
            is_strict=version == 1,
            byte_count=_byte_count(request),
            terms=store_terms(request),
        ),
        read_parts=reading,
    )
    return store_response.render(
        outcome,
        service_url=urls.service_url(request),
        study_uid=study_uid,
        api_version=version,
        host=request.url.netloc,
        media_type=media_type,
    )


def _byte_count(request: Request) -> int:
    """Returns what the body will have, as a hint; 0 if the request does not say so."""
    text = request.headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else 0


store_routes = [
    Route("/studies", store_instances, methods=["POST", "PUT"]),
    Route("/studies/{study}", store_instances, methods=["POST", "PUT"]),
]
