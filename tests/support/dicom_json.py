"""Compares our DICOM JSON with pydicom's model of the same file, difference by difference.

Every difference must fall under a rule, and every rule cites the standard. What no rule allows is a
failure.
"""

import base64
import io
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pydicom

Element = Mapping[str, Any]
DataSet = Mapping[str, Element]

BULK = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
SWAPPED_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
PIXEL_DATA = {"7FE00008", "7FE00009", "7FE00010"}


@dataclass(frozen=True)
class Difference:
    """One attribute that differs, and the rule that allows it; None if none does."""

    path: str
    rule: str | None


def pydicom_model(content: bytes) -> DataSet:
    """Returns pydicom's DICOM JSON of a file, without pixel data; raises what pydicom raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(content), force=True)
        for tag in PIXEL_DATA:
            if int(tag, 16) in dataset:
                del dataset[int(tag, 16)]
        return json.loads(dataset.to_json(bulk_data_threshold=1 << 40))


def differences(
    ours: DataSet, theirs: DataSet, *, dropped: set[str], path: str = ""
) -> Iterator[Difference]:
    """Yields what differs.

    Args:
        dropped: Tags that v2's validation left out of the metadata, as the Store answer said.
    """
    for tag in sorted(ours.keys() | theirs.keys()):
        here = f"{path}{tag}"
        mine, other = ours.get(tag), theirs.get(tag)
        if mine == other:
            continue
        if mine is None or other is None:
            yield Difference(here, _missing(tag, mine, dropped))
        elif mine["vr"] == other["vr"] == "SQ":
            yield from _sequences(mine, other, dropped=dropped, path=here)
        else:
            yield Difference(here, _differing(tag, mine, other))


def _sequences(
    mine: Element, other: Element, *, dropped: set[str], path: str
) -> Iterator[Difference]:
    my_items, their_items = mine.get("Value", []), other.get("Value", [])
    if len(my_items) != len(their_items):
        yield Difference(path, None)
        return
    for my_item, their_item in zip(my_items, their_items, strict=True):
        yield from differences(my_item, their_item, dropped=dropped, path=f"{path}/")


def _missing(tag: str, mine: Element | None, dropped: set[str]) -> str | None:
    if mine is not None:
        return None
    if tag.endswith("0000"):
        return "no group lengths (PS3.18 F.2.2)"
    if tag == "FFFCFFFC":
        return "no data set trailing padding, which has no meaning (PS3.10 7.2)"
    if tag in dropped:
        return "invalid value left out by v2, as the model does"
    return None


def _differing(tag: str, mine: Element, other: Element) -> str | None:
    if tag == "00080005":
        return "the JSON is UTF-8, so ISO_IR 192 (PS3.18 F.2)"
    if mine["vr"] == "UN" and int(tag[3], 16) % 2:
        return "VR of a private attribute from pydicom's private dictionary (PS3.5 6.2.2)"
    if mine["vr"] != other["vr"]:
        return None
    if mine["vr"] in BULK:
        return _binary(mine, other)
    my_values, their_values = mine.get("Value", []), other.get("Value", [])
    if [_plain(value) for value in my_values] == [_plain(value) for value in their_values]:
        return "empty values are null, padding is no part of a value (PS3.18 F.2.5, PS3.5 6.2)"
    return None


def _binary(mine: Element, other: Element) -> str | None:
    if "BulkDataURI" in mine:
        return "longer than the inline limit: BulkDataURI (PS3.18 F.2.6)"
    width = SWAPPED_BYTES.get(mine["vr"], 1)
    my_bytes = base64.b64decode(mine.get("InlineBinary", ""))
    their_bytes = base64.b64decode(other.get("InlineBinary", ""))
    swapped = b"".join(
        their_bytes[at : at + width][::-1] for at in range(0, len(their_bytes), width)
    )
    if my_bytes == swapped:
        return "inline binary is little endian (PS3.18 F.2.7)"
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip(" \0") or None
    return value
