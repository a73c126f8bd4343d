"""THE table of error classes and their HTTP statuses; error bodies are plain text.

Texts of `LongshoreError` are meant for the user and hold no attribute value. Everything else is
answered with a fixed text.
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from longshore.errors import (
    BlobNotFound,
    Conflict,
    InvalidRequest,
    LongshoreError,
    NotAcceptable,
    NotFound,
    Stalled,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)

STATUSES: Final[Mapping[type[LongshoreError], int]] = {
    InvalidRequest: 400,
    NotFound: 404,
    NotAcceptable: 406,
    Stalled: 408,
    Conflict: 409,
    TooLarge: 413,
    UnsupportedMediaType: 415,
    Unavailable: 503,
    # The routes have located twice by now: the index names bytes that are not there.
    BlobNotFound: 503,
}
INTERNAL_ERROR_TEXT = (
    "The server encountered an internal error. Please retry the request. If the issue persists,"
    " please contact support."
)
STORAGE_TEXT = "The data store operation failed."
RETRY_AFTER_S = 2  # a batch is written in far less; long enough not to hammer


def text_response(
    http_status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Returns an error as the model sends it: nothing but the message."""
    return Response(text, http_status, headers=headers, media_type="text/plain; charset=utf-8")


def status_of(error: LongshoreError) -> int:
    """Returns the status of the error's class, or of the nearest class above it."""
    return next((STATUSES[each] for each in type(error).__mro__ if each in STATUSES), 500)


async def on_longshore_error(_: Request, error: Exception) -> Response:
    """Answers an error that carries its text."""
    if not isinstance(error, LongshoreError):
        return text_response(500, INTERNAL_ERROR_TEXT)
    http_status = status_of(error)
    if isinstance(error, BlobNotFound):
        return text_response(http_status, STORAGE_TEXT)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if http_status == 503 else None
    text = INTERNAL_ERROR_TEXT if http_status == 500 else str(error)
    return text_response(http_status, text, headers)


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Answers Starlette's own errors; 404 for a path that is no route has no body."""
    if not isinstance(error, HTTPException):
        return text_response(500, INTERNAL_ERROR_TEXT)
    if error.status_code == 404:
        return Response(status_code=404, headers=error.headers)
    return text_response(error.status_code, error.detail, error.headers)


async def on_client_disconnect(_: Request, error: Exception) -> Response:
    """Answers nobody: the user agent has gone. The status is for the log."""
    del error
    return text_response(400, "The request body ended before it was complete.")


EXCEPTION_HANDLERS: Final[Mapping[Any, Any]] = {
    LongshoreError: on_longshore_error,
    HTTPException: on_http_exception,
    ClientDisconnect: on_client_disconnect,
}
"""For `Starlette(exception_handlers=...)`. Anything else ends in `edge.Edge`."""
