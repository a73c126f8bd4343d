"""Retrieve rendered and thumbnails, PS3.18 10.4.1.1.3 and 10.4.1.1.7: HTTP in and out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from longshore.codecs.wish import FORMATS, Viewport, Wish
from longshore.dicom import Partition
from longshore.dicomweb import media_types, rendered_parameters, urls
from longshore.dicomweb.media_types import MediaRange
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.partitions import partition_of
from longshore.dicomweb.rendered_as_is import AS_IS_TYPES, retrieve_as_is, shown_type
from longshore.dicomweb.responses import not_modified, relocated, streamed
from longshore.dicomweb.retrieve_frames import frame_numbers
from longshore.errors import InvalidRequest, NotAcceptable, NotFound
from longshore.index.locate import Located, locate, locate_frames
from longshore.services.made_results import plan_result
from longshore.services.retrieve import bare, entity_tag

THUMBNAIL_PIXELS: Final = 200
"""Longest edge of a thumbnail that no `viewport` asks for otherwise."""
FRAMES_MAX: Final = 256
"""Frames of one picture that moves; of a longer instance every so manieth is shown."""
_GIF: Final = "image/gif"
SHOWN_TYPES: Final = (*FORMATS, *AS_IS_TYPES)
"""Media types of everything that is shown."""


@relocated
async def retrieve_rendered(request: Request) -> Response:
    """Retrieves a picture of a study, a series, an instance or frames; its document or video."""
    return await _picture(request, thumbnail=None)


@relocated
async def retrieve_thumbnail(request: Request) -> Response:
    """Retrieves a small picture of it."""
    return await _picture(request, thumbnail=Viewport(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))


async def _picture(request: Request, *, thumbnail: Viewport | None) -> Response:
    partition = await partition_of(request)
    uids = urls.path_uids(request)
    text = request.path_params.get("frames")
    wish = Wish(
        quality=rendered_parameters.quality(request),
        window=rendered_parameters.window(request),
        viewport=rendered_parameters.viewport(request) or thumbnail,
        has_profile=rendered_parameters.has_profile(request),
    )
    return await answer_picture(
        request,
        partition,
        uids,
        None if text is None else frame_numbers(text),
        wish,
        media_types.accepted(request),
        is_thumbnail=thumbnail is not None,
    )


async def answer_picture(
    request: Request,
    partition: Partition,
    uids: urls.PathUids,
    numbers: Sequence[int] | None,
    wish: Wish,
    accepted: Sequence[MediaRange],
    *,
    is_thumbnail: bool = False,
) -> Response:
    """Answers with a picture, or with what is shown as it is.

    Args:
        numbers: Of n frames of one instance; None: what represents the resource.
        wish: But for its media type.
        accepted: n ranges, best first; none means anything.

    Raises:
        InvalidRequest: Several frames are asked for as a picture that does not move.
        NotAcceptable: No range can be met; the text lists what can.
        NotFound: There is nothing to show.
        Undecodable: It cannot be decoded.
    """
    if numbers is not None:
        wish = replace(wish, media_type=_media_type(accepted))
        return await _of_frames(request, partition, uids, numbers, wish)
    located = _representative(
        await locate(
            origin_of(request).database,
            partition_key=partition.key,
            study_uid=uids.study_uid,
            series_uid=uids.series_uid,
            sop_instance_uid=uids.sop_instance_uid,
        )
    )
    media_type = shown_type(located)
    if media_type is not None and is_thumbnail:
        raise NotAcceptable(f"{media_type} has no thumbnail. Retrieve it at /rendered.")
    if media_type is not None:
        return await retrieve_as_is(request, partition, located, media_type, accepted)
    wish = replace(wish, media_type=_media_type(accepted))
    count = located.frame_count or 0
    # A picture that does not move is one of the first frame, as the model's.
    step = -(-count // FRAMES_MAX)
    numbers = range(1, count + 1, step) if wish.media_type == _GIF else [1]
    uids = urls.PathUids(located.study_uid, located.series_uid, located.sop_instance_uid)
    return await _of_frames(request, partition, uids, numbers, wish)


async def _of_frames(
    request: Request,
    partition: Partition,
    uids: urls.PathUids,
    numbers: Sequence[int],
    wish: Wish,
) -> Response:
    """Answers with a picture of n frames of one instance."""
    if len(numbers) > 1 and wish.media_type != _GIF:
        raise InvalidRequest(f"Several frames are rendered as {_GIF} only.")
    if len(numbers) > FRAMES_MAX:
        raise InvalidRequest(f"At most {FRAMES_MAX} frames are rendered in one picture.")
    origin = origin_of(request)
    source = await locate_frames(
        origin.database,
        partition_key=partition.key,
        study_uid=uids.study_uid,
        series_uid=str(uids.series_uid),
        sop_instance_uid=str(uids.sop_instance_uid),
        frame_numbers=numbers,
    )
    tag = entity_tag([source.located], f"rendered {numbers} {wish}")
    headers = {"ETag": f'"{tag}"', "Vary": "Accept"}
    unmodified = not_modified(request, tag, headers)
    if unmodified is not None:
        return unmodified
    picture = await origin.pictures.rendered(source, numbers, wish)
    headers["Content-Type"] = wish.media_type
    return await streamed(request, plan_result(picture, bare()), headers)


def _representative(located: Sequence[Located]) -> Located:
    """Returns the instance in the middle of those that have frames, or else of the documents.

    Raises:
        NotFound: There is none.
    """
    pictured = [each for each in located if each.frame_count]
    found = pictured or [each for each in located if shown_type(each)]
    if not found:
        raise NotFound("The specified frame cannot be found.")
    return found[len(found) // 2]


def _media_type(accepted: Sequence[MediaRange]) -> str:
    """Returns the first media type that is accepted and can be written; JPEG is the default.

    Raises:
        NotAcceptable: None; the text lists what can.
    """
    if not accepted:
        return next(iter(FORMATS))
    for each in accepted:
        for media_type in FORMATS:
            if each.covers(media_type):
                return media_type
    raise NotAcceptable(f"The request headers are not acceptable. Possible: {', '.join(FORMATS)}.")
