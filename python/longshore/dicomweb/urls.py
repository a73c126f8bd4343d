"""URLs: the UIDs in a request's path, and the absolute URLs that answers give out."""

import re
from dataclasses import dataclass

from starlette.requests import Request

from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.proxies import forwarded
from longshore.errors import InvalidRequest

_UID_CHARACTERS_MAX = 64  # PS3.5 9.1
_UID = re.compile(r"[0-9.]*[0-9]")
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

    A trusted proxy in between says what was written to it; see `proxies`. The setting `public_url`
    outranks both. No slash at the end.
    """
    path = request.scope.get("root_path", "")
    origin = origin_of(request)
    if origin.public_url:
        return f"{origin.public_url}{path}"
    url = request.url
    said = forwarded(request, origin.trusted_proxies)
    before = f"/{said.prefix}" if said.prefix else ""
    root = f"{said.scheme or url.scheme}://{said.host or url.netloc}"
    return f"{root}{before}{path}"


def study_url(service: str, study_uid: str) -> str:
    """Returns the RetrieveURL of a study."""
    return f"{service}/studies/{study_uid}"


def series_url(service: str, study_uid: str, series_uid: str) -> str:
    """Returns the RetrieveURL of a series."""
    return f"{study_url(service, study_uid)}/series/{series_uid}"


def instance_url(service: str, study_uid: str, series_uid: str, sop_instance_uid: str) -> str:
    """Returns the RetrieveURL of an instance."""
    return f"{series_url(service, study_uid, series_uid)}/instances/{sop_instance_uid}"
