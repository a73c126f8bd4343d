"""Metadata and bulkdata of the synthetic instances, as a Store of them apart needs both."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pydicom
from pydicom.tag import Tag

from tests.support import synthetic

JSON = "application/dicom+json"
BOUNDARY = "b"

Part = tuple[Mapping[str, str], bytes]
"""Headers and content."""


def metadata(number: int = 1, *, uri: str = "bulk/1", **more: Any) -> dict[str, Any]:
    """Returns the DICOM JSON of `synthetic.ct`, its pixel data under a URI.

    Args:
        more: DICOM JSON elements by keyword; None leaves one out.
    """
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(number)))
    model: dict[str, Any] = json.loads(dataset.to_json())
    model["7FE00010"] = {"vr": "OW", "BulkDataURI": uri}
    for keyword, element in more.items():
        tag = f"{Tag(keyword):08X}"
        model[tag] = element
        if element is None:
            del model[tag]
    return model


def pixels(number: int = 1) -> bytes:
    """Returns the pixel data of `synthetic.ct`."""
    return pydicom.dcmread(io.BytesIO(synthetic.ct(number))).PixelData


def described(parts: Sequence[Part], *, root_type: str = JSON) -> tuple[dict[str, str], bytes]:
    """Returns headers and body of a request with these parts."""
    chunks: list[bytes] = []
    for headers, content in parts:
        lines = [f"--{BOUNDARY}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        chunks += ["\r\n".join(lines).encode(), content, b"\r\n"]
    chunks.append(f"--{BOUNDARY}--\r\n".encode())
    content_type = f'multipart/related; type="{root_type}"; boundary={BOUNDARY}'
    return {"Content-Type": content_type}, b"".join(chunks)


def as_json(*datasets: dict[str, Any]) -> Part:
    """Returns the metadata part."""
    return ({"Content-Type": JSON}, json.dumps(datasets).encode())


def bulk(content: bytes, *, location: str = "bulk/1", media_type: str = "") -> Part:
    """Returns a bulkdata part."""
    media_type = media_type or "application/octet-stream"
    return ({"Content-Type": media_type, "Content-Location": location}, content)
