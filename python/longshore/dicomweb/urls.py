"""URLs: the UIDs in a request's path, and the absolute URLs that answers give out."""

import re
from dataclasses import dataclass

from starlette.requests import Request

from longshore.errors import InvalidRequest

_UID_CHARACTERS_MAX = 64  # PS3.5 9.1
_UID = re.compile(r"[0-9.]*[0-9]")
_SCHEME = re.compile(r"https?")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"/?[A-Za-z0-9._~-]{1,64}(?:/[A-Za-z0-9._~-]{1,64}){0,7}/?")
_BAD_UID = (
    "DICOM Identifier is invalid. Value length should not exceed the maximum length of 64"
    " characters. Value should contain characters in '0'-'9' and '.'. Each component must start"
    " with non-zero number."
)


@dataclass(frozen=True, slots=True)
class PathUids:
    """The study, series or instance that a path names; None below its level."""

    study_uid: str
    series_uid: str | None = None
    sop_instance_uid: str | None = None

    @property
    def is_one_instance(self) -> bool:
        """True if the path goes down to the instance."""
        return self.sop_instance_uid is not None


def path_uids(request: Request) -> PathUids:
    """Returns the UIDs of `{study}`, `{series}` and `{instance}` in the path.

    Raises:
        InvalidRequest: One of them is no UID.
    """
    params = request.path_params
    return PathUids(
        study_uid=checked_uid(params["study"]),
        series_uid=checked_uid(params["series"]) if "series" in params else None,
        sop_instance_uid=checked_uid(params["instance"]) if "instance" in params else None,
    )


def checked_uid(text: str) -> str:
    """Returns a UID without trailing spaces; components may begin with 0, as the model allows.

    Raises:
        InvalidRequest: The text is no UID.
    """
    uid = text.rstrip(" ")
    if len(uid) > _UID_CHARACTERS_MAX or not _UID.fullmatch(uid):
        raise InvalidRequest(_BAD_UID)
    return uid


def service_url(request: Request) -> str:
    """Returns scheme, host, version and partition as the user agent wrote them.

    A proxy in between says what was written to it in `X-Forwarded-Proto`, `-Host` and `-Prefix`.
    They are believed as Host is: whoever makes them up gets wrong URLs, and nobody else does. What
    is none of its kind is left aside. No slash at the end.
    """
    url = request.url
    scheme = _forwarded(request, "proto", _SCHEME) or url.scheme
    host = _forwarded(request, "host", _HOST) or url.netloc
    prefix = _forwarded(request, "prefix", _PREFIX).strip("/")
    before = f"/{prefix}" if prefix else ""
    return f"{scheme}://{host}{before}{request.scope.get('root_path', '')}"


def _forwarded(request: Request, name: str, pattern: re.Pattern[str]) -> str:
    """Returns what the first of several proxies says; empty if it says nothing of use."""
    text = request.headers.get(f"x-forwarded-{name}", "").partition(",")[0].strip()
    return text if pattern.fullmatch(text) else ""


def study_url(service: str, study_uid: str) -> str:
    """Returns the RetrieveURL of a study."""
    return f"{service}/studies/{study_uid}"


def series_url(service: str, study_uid: str, series_uid: str) -> str:
    """Returns the RetrieveURL of a series."""
    return f"{study_url(service, study_uid)}/series/{series_uid}"


def instance_url(service: str, study_uid: str, series_uid: str, sop_instance_uid: str) -> str:
    """Returns the RetrieveURL of an instance."""
    return f"{series_url(service, study_uid, series_uid)}/instances/{sop_instance_uid}"
