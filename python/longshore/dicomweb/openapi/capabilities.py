"""Capabilities, PS3.18 8.9: what OPTIONS answers of a resource, made from the OpenAPI document.

WADL, as the standard has it, or the part of the OpenAPI document as JSON for those who ask for it.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import orjson
from starlette.requests import Request
from starlette.responses import Response

from longshore.dicomweb.media_types import JSON, parse_accept
from longshore.dicomweb.openapi.document import METHODS
from longshore.dicomweb.openapi.routes import document_of

WADL: Final = "application/vnd.sun.wadl+xml"
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<application xmlns="http://wadl.dev.java.net/2009/02">'
)
_NAMED: Final = frozenset((JSON, WADL, "*/*", "application/*"))
_CONVERTOR: Final = re.compile(r":\w+}")


def capabilities(request: Request, route_path: str, allowed: str) -> Response:
    """Returns the answer to OPTIONS.

    Args:
        request: Below the version.
        route_path: The route's template, such as `/studies/{study}`, below version and partition.
        allowed: The value of `Allow`.
    """
    prefix, document = document_of(request)
    middle = "/partitions/{partition}" if "partition" in request.path_params else ""
    path = f"{prefix}{middle}{_CONVERTOR.sub('}', route_path)}"
    item: dict[str, Any] = document["paths"].get(path, {})
    headers = {
        "Allow": allowed,
        "Link": f'<{prefix}/api.json>; rel="service-desc"; type="{JSON}"',
        "Vary": "Accept",
    }
    ranges = parse_accept(",".join(request.headers.getlist("accept")))
    if next((each.media_type for each in ranges if each.media_type in _NAMED), WADL) == JSON:
        described = {
            "openapi": document["openapi"],
            "info": document["info"],
            "paths": {path: item},
        }
        return Response(orjson.dumps(described), media_type=JSON, headers=headers)
    text = "".join(_wadl(path, item))
    return Response(text, media_type=WADL, headers=headers)


def _wadl(path: str, item: dict[str, Any]) -> Iterator[str]:
    yield f'{_HEAD}<resources base="/"><resource path={quoteattr(path.lstrip("/"))}>'
    for method in METHODS:
        if method not in item:
            continue
        operation: dict[str, Any] = item[method]
        yield f"<method name={quoteattr(method.upper())} id={quoteattr(operation['operationId'])}>"
        yield "<request>"
        for each in operation.get("parameters", []):
            if "name" in each:
                yield f"<param name={quoteattr(each['name'])} style={quoteattr(each['in'])}/>"
        for media_type in operation.get("requestBody", {}).get("content", {}):
            yield f"<representation mediaType={quoteattr(media_type)}/>"
        yield "</request>"
        for status, answer in operation["responses"].items():
            yield f"<response status={quoteattr(status)}>"
            for media_type in answer.get("content", {}):
                yield f"<representation mediaType={quoteattr(media_type)}/>"
            yield "</response>"
        yield "</method>"
    yield "</resource></resources></application>"
