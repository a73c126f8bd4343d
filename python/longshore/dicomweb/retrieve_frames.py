"""Retrieve frames, PS3.18 10.4.1.1.3: HTTP in and out."""

import re

from starlette.requests import Request
from starlette.responses import Response

from longshore.dicomweb import media_types, multipart, negotiation, transfer_syntaxes, urls
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.errors import InvalidRequest, NotFound, TooLarge
from longshore.index.locate import locate_frames
from longshore.services.retrieve import Binding, bare, entity_tag
from longshore.services.retrieve_frames import plan_frames

FRAMES_MAX = 4096  # per request; whole-slide viewers ask for tiles by the dozen
_FRAME_NUMBER_MAX = 2**31 - 1  # Number of Frames is an IS (PS3.3 C.7.6.6)
_NUMBER = re.compile(r"\s*([0-9]{1,20})\s*")
_BAD_FRAMES = (
    "The specified frames value is not valid. At least one frame must be present, and all"
    " requested frames must have value greater than 0."
)


@relocated
async def retrieve_frames(request: Request) -> Response:
    """Retrieves frames of one instance, one part each, in the order asked."""
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    numbers = frame_numbers(request.path_params["frames"])
    accepted = media_types.accepted(request)
    origin = origin_of(request)
    source = await locate_frames(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=str(uids.series_uid),
        sop_instance_uid=str(uids.sop_instance_uid),
        frame_numbers=numbers,
    )
    syntax = transfer_syntaxes.served_frame_syntax(source.located.transfer_syntax_uid)
    form = negotiation.frames_form(accepted, transfer_syntax_uid=syntax, frame_count=len(numbers))
    tag = entity_tag([source.located], f"{form} frames {numbers}")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    content_type, binding = multipart.part_type(form.media_type, form.target or syntax), bare()
    if form.is_multipart:
        part_types = [content_type] * len(numbers)
        envelope = multipart.envelope(form.media_type, part_types, identity=tag)
        content_type, binding = envelope.content_type, Binding(envelope.heads, envelope.tail)
    if form.target is not None:
        plan = await origin.pictures.plan_frames(source, numbers, form.target, binding)
    else:
        plan = await plan_frames(origin.blobs, source, binding)
    return await streamed(request, plan, {"Content-Type": content_type, **headers})


def frame_numbers(text: str) -> list[int]:
    """Returns the frame numbers of a path, 1-based, in the order asked; one may come twice.

    Raises:
        InvalidRequest: The text is not a list of positive integers.
        NotFound: A number is higher than any data set can have.
        TooLarge: There are more than `FRAMES_MAX`.
    """
    members = text.split(",")
    if len(members) > FRAMES_MAX:
        raise TooLarge(f"The request exceeded the allowed limit of {FRAMES_MAX} frames.")
    matches = [_NUMBER.fullmatch(member) for member in members]
    numbers = [int(match[1]) if match else 0 for match in matches]
    if min(numbers) < 1:
        raise InvalidRequest(_BAD_FRAMES)
    if max(numbers) > _FRAME_NUMBER_MAX:
        raise NotFound("The specified frame cannot be found.")
    return numbers
