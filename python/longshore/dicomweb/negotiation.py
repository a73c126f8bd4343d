"""What is served for an Accept, decided before the first byte (PS3.18 8.7.8).

As stored wherever that is accepted; else transcoded where that loses nothing; else 406 says what
would be served.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from longshore.dicomweb import transfer_syntaxes
from longshore.dicomweb.media_types import (
    ACCEPT_COUNT_CACHED,
    DICOM,
    OCTET_STREAM,
    RELATED,
    ZIP,
    MediaRange,
)
from longshore.errors import InvalidRequest, NotAcceptable

_ONE_FRAME_ONLY = (
    "The accept header is supported for single frame retrieval, use multi-part accept header"
    " instead."
)


ENCODED_TYPES = ("image/jp2", "image/jls", "image/jphc", "image/dicom-rle")
"""Media types that frames are encoded in."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a body goes out.

    Attributes:
        media_type: Of the body if single, of each part if multipart.
        target: The transfer syntax that it is transcoded to; None: as stored.
    """

    media_type: str
    is_multipart: bool
    target: str | None = None


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
    made: tuple[float, Form] | None = None
    for each in accepted:
        form = _instances_form(each, is_one_instance=is_one_instance)
        form = form and _with_syntaxes(form, each, transfer_syntax_uids)
        if made and each.quality < made[0]:
            return made[1]
        if form and form.target is None:
            return form
        if form and made is None:
            made = (each.quality, form)
    if made:
        return made[1]
    forms = [f'{RELATED}; type="{DICOM}"', *([DICOM] if is_one_instance else []), ZIP]
    raise _not_acceptable(forms, transfer_syntax_uids)


def _with_syntaxes(
    form: Form, each: MediaRange, transfer_syntax_uids: Collection[str]
) -> Form | None:
    """Returns the form as stored, or in one transfer syntax that all can be brought to, or None."""
    asked = each.values("transfer-syntax")
    stays = all(transfer_syntaxes.admits(asked, uid) for uid in transfer_syntax_uids)
    if form.media_type == ZIP:
        # The files as they are stored.
        return form if stays else None
    is_default = not asked and each.media_type != "*/*"
    if stays and not (is_default and _is_compressed_alone(transfer_syntax_uids)):
        return form
    targets = {
        transfer_syntaxes.reachable(asked, DICOM, uid)
        for uid in transfer_syntax_uids
        if is_default or not transfer_syntaxes.admits(asked, uid)
    }
    target = targets.pop() if len(targets) == 1 else None
    if target is not None:
        return replace(form, target=target)
    return form if stays else None


def _is_compressed_alone(transfer_syntax_uids: Collection[str]) -> bool:
    """Tells whether all instances are compressed in one way, so that the default is decoded.

    A media type without `transfer-syntax` means Explicit VR Little Endian (Table 8.7.3-2); the
    model sends a lone compressed instance so. What every reader can read stays as stored.
    """
    return len(transfer_syntax_uids) == 1 and any(
        transfer_syntaxes.media_type_of(uid) for uid in transfer_syntax_uids
    )


def _instances_form(each: MediaRange, *, is_one_instance: bool) -> Form | None:
    if each.media_type == "*/*" or (each.covers(RELATED) and _root_is(each, DICOM)):
        return Form(DICOM, is_multipart=True)
    if is_one_instance and each.covers(DICOM):
        return Form(DICOM, is_multipart=False)
    if each.media_type == ZIP:
        return Form(ZIP, is_multipart=False)
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
    return _chosen_frames_form(tuple(accepted), transfer_syntax_uid, is_one=frame_count == 1)


@lru_cache(maxsize=ACCEPT_COUNT_CACHED)
def _chosen_frames_form(
    accepted: tuple[MediaRange, ...], transfer_syntax_uid: str, *, is_one: bool
) -> Form:
    """Likewise, remembered: a viewer asks the same with every frame."""
    own_type = transfer_syntaxes.media_type_of(transfer_syntax_uid)
    types = [OCTET_STREAM, *([own_type] if own_type else [])]
    types += [each for each in ENCODED_TYPES if each != own_type]
    if not accepted:
        return Form(OCTET_STREAM, is_multipart=True)
    single: Form | None = None
    made: tuple[float, Form] | None = None
    for each in accepted:
        form = _frames_form(each, types)
        form = form and _with_syntax(form, each, own_type, transfer_syntax_uid)
        if made and each.quality < made[0]:
            return made[1]
        if form and not form.is_multipart and not is_one:
            single, form = single or form, None
        if form and form.target is None:
            return form
        if form and made is None:
            made = (each.quality, form)
    if made:
        return made[1]
    if single:
        raise InvalidRequest(_ONE_FRAME_ONLY)
    forms = [f'{RELATED}; type="{each}"' for each in types]
    raise _not_acceptable([*forms, *types], [transfer_syntax_uid])


def _with_syntax(
    form: Form, each: MediaRange, own_type: str | None, transfer_syntax_uid: str
) -> Form | None:
    """Returns the form in the stored transfer syntax, or in one that can be reached, or None."""
    asked = each.values("transfer-syntax")
    # Octets without `transfer-syntax` are Explicit VR Little Endian (Table 8.7.3-2).
    is_default = not asked and form.media_type == OCTET_STREAM and each.media_type != "*/*"
    fits = form.media_type in (OCTET_STREAM, own_type)
    stays = fits and _admits_frame(each, transfer_syntax_uid)
    is_plain = transfer_syntax_uid == transfer_syntaxes.EXPLICIT_LITTLE_ENDIAN
    if stays and (is_plain or not is_default):
        return form
    target = transfer_syntaxes.reachable(asked, form.media_type, transfer_syntax_uid)
    if target is not None:
        return replace(form, target=target)
    return form if stays else None


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


def all_bulkdata_form(accepted: Sequence[MediaRange], *, value_count: int) -> Form:
    """Chooses the form of n bulkdata values, several or not (PS3.18 10.4.3.3.5): octet-streams.

    Raises:
        NotAcceptable: No range can be met; the text lists what can.
    """
    for each in accepted:
        if each.media_type == "*/*" or (each.covers(RELATED) and _root_is(each, OCTET_STREAM)):
            return Form(OCTET_STREAM, is_multipart=True)
        if value_count == 1 and each.covers(OCTET_STREAM):
            return Form(OCTET_STREAM, is_multipart=False)
    if not accepted:
        return Form(OCTET_STREAM, is_multipart=True)
    single = [OCTET_STREAM] if value_count == 1 else []
    raise _not_acceptable([f'{RELATED}; type="{OCTET_STREAM}"', *single], [])


def pixel_data_form(
    accepted: Sequence[MediaRange], *, transfer_syntax_uids: Sequence[str], value_count: int
) -> Form:
    """Chooses the form of n values of pixel data (PS3.18 10.4.3.3.6): that which suits all.

    Args:
        accepted: n ranges, best first; none means anything.
        transfer_syntax_uids: All among the values, each once, as `frames_form` takes them.
        value_count: Only one fits a single part.

    Raises:
        InvalidRequest: Only a single part was asked for, and there are several.
        NotAcceptable: No range can be met for all; the text lists what can.
    """
    forms = {
        frames_form(accepted, transfer_syntax_uid=each, frame_count=value_count)
        for each in transfer_syntax_uids
    }
    if len(forms) > 1:
        raise _not_acceptable([f'{RELATED}; type="{OCTET_STREAM}"'], transfer_syntax_uids)
    return forms.pop()


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
