"""Reads multipart/related answers, strictly (RFC 2046 5.1.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from requests_toolbelt.multipart.decoder import (
    MultipartDecoder,
)


@dataclass(frozen=True)
class Part:
    """One part of an answer."""

    content_type: str
    content: bytes


def parts(response: httpx.Response) -> list[Part]:
    """Returns the parts of a multipart answer."""
    content_type = response.headers["content-type"]
    assert content_type.startswith("multipart/related; boundary="), content_type
    decoder = MultipartDecoder(response.content, content_type)
    return [Part(_content_type(part.headers), part.content) for part in decoder.parts]


def _content_type(headers: Mapping[Any, bytes]) -> str:
    """The decoder's keys are bytes, whatever its types say."""
    return headers[b"Content-Type"].decode()
