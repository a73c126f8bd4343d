"""What is shown as it is stored: documents and video (PS3.18 8.7.4). HTTP in and out."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from longshore.dicom import Partition
from longshore.dicomweb import transfer_syntaxes
from longshore.dicomweb.media_types import MediaRange
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.responses import not_modified, streamed
from longshore.errors import NotAcceptable
from longshore.index.locate import Located, locate_frames
from longshore.services.encapsulated import plan_document
from longshore.services.retrieve import bare, entity_tag
from longshore.services.retrieve_frames import plan_frames

XML: Final = "text/xml"
_DOCUMENTS: Final = {
    "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
    "1.2.840.10008.5.1.4.1.1.104.2": XML,  # CDA
}
"""Media types by SOP class."""
AS_IS_TYPES: Final = (*_DOCUMENTS.values(), *transfer_syntaxes.VIDEO_TYPES)
SCRIPTLESS: Final = {"Content-Security-Policy": "sandbox"}
"""Headers of XML, which may be a page with scripts: a browser runs none of them here."""


def shown_type(located: Located) -> str | None:
    """Returns the media type of an instance that is shown as it is; None of any other."""
    if not located.frame_count:
        return _DOCUMENTS.get(located.sop_class_uid)
    media_type = transfer_syntaxes.media_type_of(located.transfer_syntax_uid)
    return media_type if media_type in transfer_syntaxes.VIDEO_TYPES else None


async def retrieve_as_is(
    request: Request,
    partition: Partition,
    located: Located,
    media_type: str,
    accepted: Sequence[MediaRange],
) -> Response:
    """Retrieves a document or a video, with ranges.

    Args:
        media_type: As `shown_type` has it.
        accepted: n ranges, best first; none means anything.

    Raises:
        NotAcceptable: It is of another type than accepted.
        NotFound: The instance has no document.
        Unavailable: The storage fails.
    """
    if accepted and not any(each.covers(media_type) for each in accepted):
        raise NotAcceptable(f"The request headers are not acceptable. Possible: {media_type}.")
    tag = entity_tag([located], f"{media_type} as it is")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    origin = origin_of(request)
    if media_type in transfer_syntaxes.VIDEO_TYPES:
        source = await locate_frames(
            origin.database,
            partition_key=partition.key,
            study_uid=located.study_uid,
            series_uid=located.series_uid,
            sop_instance_uid=located.sop_instance_uid,
            frame_numbers=[1],
        )
        plan = await plan_frames(origin.blobs, source, bare())
    else:
        plan = await plan_document(origin.blobs, located)
    if media_type == XML:
        headers |= SCRIPTLESS
    return await streamed(request, plan, {"Content-Type": media_type, **headers})
