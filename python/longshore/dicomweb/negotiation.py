"""What is served for an Accept, decided before the first byte (PS3.18 8.7.8).

Nothing is transcoded here: the stored transfer syntax is served or 406 says what would be. A
missing `transfer-syntax` leaves the choice to the server.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from longshore.dicomweb import transfer_syntaxes
from longshore.dicomweb.media_types import DICOM, OCTET_STREAM, RELATED, MediaRange
from longshore.errors import InvalidRequest, NotAcceptable

_ONE_FRAME_ONLY = (
    "The accept header is supported for single frame retrieval, use multi-part accept header"
    " instead."
)


@dataclass(frozen=True, slots=True)
class Form:
    """How a body goes out.

    Attributes:
        media_type: Of the body if single, of each part if multipart.
    """

    media_type: str
    is_multipart: bool


def instances_form(
    accepted: Sequence[MediaRange],
    *,
    transfer_syntax_uids: Collection[str],
    is_one_instance: bool,
) -> Form:
    """Chooses the form of whole instances (PS3.18 10.4.3.3.1).

    Args:
        accepted: n ranges, best first; none means anything.
        transfer_syntax_uids: All that are stored among the instances, each once.
        is_one_instance: The URL names one instance, so a single part may be asked for.

    Raises:
        NotAcceptable: No range can be met; the text lists what can.
    """
    if not accepted:
        return Form(DICOM, is_multipart=True)
    for each in accepted:
        form = _instances_form(each, is_one_instance=is_one_instance)
        asked = each.values("transfer-syntax")
        if form and all(transfer_syntaxes.admits(asked, uid) for uid in transfer_syntax_uids):
            return form
    forms = [f'{RELATED}; type="{DICOM}"', *([DICOM] if is_one_instance else [])]
    raise _not_acceptable(forms, transfer_syntax_uids)


def _instances_form(each: MediaRange, *, is_one_instance: bool) -> Form | None:
    if each.media_type == "*/*" or (each.covers(RELATED) and _root_is(each, DICOM)):
        return Form(DICOM, is_multipart=True)
    if is_one_instance and each.covers(DICOM):
        return Form(DICOM, is_multipart=False)
    return None


def frames_form(
    accepted: Sequence[MediaRange], *, transfer_syntax_uid: str, frame_count: int
) -> Form:
    """Chooses the form of frames (PS3.18 10.4.3.3.3).

    Args:
        accepted: n ranges, best first; none means anything.
        transfer_syntax_uid: As it will be labelled, see `transfer_syntaxes.served_frame_syntax`.
        frame_count: Frames asked for; only one fits a single part.

    Raises:
        InvalidRequest: Only a single part was asked for, and several frames.
        NotAcceptable: No range can be met; the text lists what can.
    """
    own_type = transfer_syntaxes.media_type_of(transfer_syntax_uid)
    types = [OCTET_STREAM, *([own_type] if own_type else [])]
    if not accepted:
        return Form(OCTET_STREAM, is_multipart=True)
    single: Form | None = None
    for each in accepted:
        if not _admits_frame(each, transfer_syntax_uid):
            continue
        form = _frames_form(each, types)
        if form and (form.is_multipart or frame_count == 1):
            return form
        single = single or form
    if single:
        raise InvalidRequest(_ONE_FRAME_ONLY)
    forms = [f'{RELATED}; type="{each}"' for each in types]
    raise _not_acceptable([*forms, *types], [transfer_syntax_uid])


def _frames_form(each: MediaRange, types: Sequence[str]) -> Form | None:
    if each.media_type == "*/*":
        return Form(OCTET_STREAM, is_multipart=True)
    if each.covers(RELATED):
        matches = [media_type for media_type in types if _root_is(each, media_type)]
        return Form(matches[0], is_multipart=True) if matches else None
    own_name = transfer_syntaxes.current_name(each.media_type)
    for media_type in types:
        if each.covers(media_type) or own_name == media_type:
            return Form(media_type, is_multipart=False)
    return None


def _admits_frame(each: MediaRange, transfer_syntax_uid: str) -> bool:
    asked = each.values("transfer-syntax")
    if transfer_syntaxes.admits(asked, transfer_syntax_uid):
        return True
    # The bytes of a native frame are those of both little endian syntaxes.
    return (
        transfer_syntax_uid == transfer_syntaxes.EXPLICIT_LITTLE_ENDIAN
        and transfer_syntaxes.IMPLICIT_LITTLE_ENDIAN in asked
    )


def bulkdata_form(accepted: Sequence[MediaRange], *, media_type: str | None) -> Form:
    """Chooses the form of one bulkdata value (PS3.18 10.4.3.3.4).

    `transfer-syntax` is not looked at: the bytes are one value's, as stored.

    Args:
        accepted: n ranges, best first; none means anything.
        media_type: What the value itself is, if its instance says so, such as application/pdf.

    Raises:
        NotAcceptable: No range can be met; the text lists what can.
    """
    types = [OCTET_STREAM, *([media_type] if media_type else [])]
    for each in accepted:
        for candidate in types:
            if each.media_type != "multipart/*" and each.covers(candidate):
                return Form(candidate, is_multipart=False)
            if each.media_type == RELATED and _root_is(each, candidate):
                return Form(candidate, is_multipart=True)
    if not accepted:
        return Form(OCTET_STREAM, is_multipart=False)
    raise _not_acceptable([*types, *(f'{RELATED}; type="{each}"' for each in types)], [])


def _root_is(each: MediaRange, media_type: str) -> bool:
    """Tells whether a multipart range is about parts of a media type; without `type`, of any."""
    roots = [transfer_syntaxes.current_name(value.lower()) for value in each.values("type")]
    group = media_type.partition("/")[0]
    return not roots or any(root in (media_type, f"{group}/*", "*/*", "*") for root in roots)


def _not_acceptable(forms: Sequence[str], transfer_syntax_uids: Collection[str]) -> NotAcceptable:
    text = f"The request headers are not acceptable. Possible: {', '.join(forms)}"
    if transfer_syntax_uids:
        text += f"; with transfer-syntax=* or as stored ({', '.join(sorted(transfer_syntax_uids))})"
    return NotAcceptable(f"{text}.")
