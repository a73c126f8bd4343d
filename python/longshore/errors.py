"""What can go wrong, as every layer may raise it.

Texts say what to do and never hold an attribute value; UIDs are fine. `dicomweb/errors.py` maps
each class to its HTTP status, in one table.
"""

import traceback

PLACES_MAX = 6
"""Calls that `without_values` names; what lies above them is the way to the route."""


class LongshoreError(Exception):
    """The base of all errors that carry a text meant for the user."""


class InvalidRequest(LongshoreError):
    """The request cannot be understood. Correct it before sending it again."""


class NotFound(LongshoreError):
    """No such study, series, instance, frame or partition."""


class NotAcceptable(LongshoreError):
    """None of the representations asked for can be served."""


class Undecodable(NotAcceptable):
    """The pixel data cannot be decoded, encoded or rendered; as stored they can be had."""


class Conflict(LongshoreError):
    """The request contradicts what is stored."""


class TooLarge(LongshoreError):
    """A named limit was passed; the text gives the limit with its unit."""


class Stalled(LongshoreError):
    """The request's body stopped arriving. Send the request again."""


class UnsupportedMediaType(LongshoreError):
    """The request's content type, or a part's, is not one that can be stored."""


class Unavailable(LongshoreError):
    """The service cannot do this now. Nothing was stored; send the request again later."""


class BlobNotFound(LongshoreError):
    """No blob of that name. After a delete or a compaction: locate again."""


def without_values(error: BaseException) -> str:
    """Describes an unexpected error for the log: its class, and the last calls, innermost last.

    Its text and its locals may hold attribute values, so neither is told.
    """
    origin = error.__cause__ or error
    frames = traceback.extract_tb(origin.__traceback__)[-PLACES_MAX:]
    places = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(origin).__qualname__} at {places}"
