"""The answer to a Store request: status and data set (PS3.18 10.5.3, Tables 10.5.3-1 and I.2-1)."""

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.responses import Response

from longshore.dicomweb import media_types, native_xml
from longshore.services.store_outcome import Refused, Stored, StoreOutcome

WARNING_IMPLICIT_VR = 45063
"""B007: the model's word for a data set in Implicit VR."""
WARNING_VALUES = 1
"""The model's word for values that break their VR; see the Failed Attributes Sequence."""

MULTIVALUED = "One or more indexed Dicom tag(s) have multiple values, only first value is indexed."

Element = dict[str, Any]
DataSet = dict[str, Element]


def render(
    outcome: StoreOutcome,
    *,
    service_url: str,
    study_uid: str | None,
    api_version: int,
    host: str,
    media_type: str,
) -> Response:
    """Renders what became of each instance.

    Args:
        service_url: The service's root with the version, for retrieve URLs.
        study_uid: The study in the request's path.
        host: Who warns, in the Warning header.
        media_type: DICOM JSON or Native DICOM Model XML.
    """
    if not outcome.instances:
        return Response(status_code=204)
    dataset: DataSet = {}
    stored, refused = outcome.stored, outcome.refused
    if study_uid is not None and stored:
        dataset["00081190"] = _element("UR", f"{service_url}/studies/{study_uid}")
    if refused:
        dataset["00081198"] = _sequence([_refused(instance) for instance in refused])
    if stored:
        items = [_stored(instance, service_url, api_version) for instance in stored]
        dataset["00081199"] = _sequence(items)
    headers: dict[str, str] = {}
    if any(instance.is_multivalued for instance in outcome.instances):
        headers["Warning"] = f'299 {host}: "{MULTIVALUED}"'
    is_xml = media_type == media_types.DICOM_XML
    return Response(
        native_xml.write(dataset) if is_xml else orjson.dumps(dataset),
        status_code=_status(outcome, api_version),
        headers=headers,
        media_type=media_type,
    )


def _status(outcome: StoreOutcome, api_version: int) -> int:
    """PS3.18 Table 10.5.3-1; v1 does not count warnings."""
    if not outcome.stored:
        return 409
    if outcome.refused:
        return 202
    has_warnings = any(_warning_reason(instance) for instance in outcome.stored)
    return 202 if has_warnings and api_version > 1 else 200


def _warning_reason(instance: Stored) -> int | None:
    if instance.is_implicit_vr:
        return WARNING_IMPLICIT_VR
    return WARNING_VALUES if instance.warnings else None


def _stored(instance: Stored, service_url: str, api_version: int) -> DataSet:
    url = (
        f"{service_url}/studies/{instance.study_uid}/series/{instance.series_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )
    item: DataSet = {
        "00081150": {"vr": "UI", "Value": [instance.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [instance.sop_instance_uid]},
        "00081190": {"vr": "UR", "Value": [url]},
    }
    warning_reason = _warning_reason(instance)
    if warning_reason is not None:
        item["00081196"] = _element("US", warning_reason)
    if api_version > 1:
        item["00741048"] = _failed_attributes(instance.warnings)
    return item


def _refused(instance: Refused) -> DataSet:
    item: DataSet = {}
    if instance.sop_class_uid is not None:
        item["00081150"] = _element("UI", instance.sop_class_uid)
    if instance.sop_instance_uid is not None:
        item["00081155"] = _element("UI", instance.sop_instance_uid)
    item["00081197"] = _element("US", instance.failure_reason)
    if instance.comments:
        item["00741048"] = _failed_attributes(instance.comments)
    return item


def _failed_attributes(comments: Sequence[str]) -> Element:
    """(0074,1048) with one Error Comment (0000,0902) an item."""
    return _sequence([{"00000902": _element("LO", comment)} for comment in comments])


def _element(vr: str, value: str | int) -> Element:
    return {"vr": vr, "Value": [value]}


def _sequence(items: list[DataSet]) -> Element:
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
