"""The OpenAPI documents on their paths: `/v2/api.json`, `/v2/api.yaml`, and v1's."""

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
import yaml
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb.media_types import JSON
from longshore.dicomweb.openapi.document import document
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.versions import api_version

YAML = "application/yaml"
"""RFC 9512."""

_PRERELEASE = "/v1.0-prerelease"


async def describe_as_json(request: Request) -> Response:
    """Answers with the document of the path's version."""
    return Response(_as_json(*_which(request)), media_type=JSON)


async def describe_as_yaml(request: Request) -> Response:
    """Answers with the same as YAML."""
    return Response(_as_yaml(*_which(request)), media_type=YAML)


def document_of(request: Request) -> tuple[str, dict[str, Any]]:
    """Returns the prefix of the version's paths, and its document, which nobody may change."""
    which = _which(request)
    return which[0], _document(*which)


def _which(request: Request) -> tuple[str, int, bool]:
    """Returns the paths' prefix, the version, and whether there are partitions."""
    is_partitioned = origin_of(request).partitions.is_enabled
    if "version" not in request.path_params:  # `/v1-prerelease/api.json`: a name, not a version
        return _PRERELEASE, 1, is_partitioned
    return f"/v{request.path_params['version'].lower()}", api_version(request), is_partitioned


def _document(prefix: str, number: int, is_partitioned: bool) -> dict[str, Any]:
    return document(
        prefix,
        api_version=number,
        is_partitioned=is_partitioned,
        product_version=version("longshore"),
    )


@cache
def _as_json(prefix: str, number: int, is_partitioned: bool) -> bytes:
    return orjson.dumps(_document(prefix, number, is_partitioned))


@cache
def _as_yaml(prefix: str, number: int, is_partitioned: bool) -> bytes:
    value = _document(prefix, number, is_partitioned)
    return yaml.dump(
        value, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, encoding="utf-8"
    )


Endpoint = Callable[[Request], Awaitable[Response]]
_ENDPOINTS: dict[str, Endpoint] = {
    "/api.json": describe_as_json,
    "/api.yaml": describe_as_yaml,
}
openapi_routes = [Route(path, endpoint) for path, endpoint in _ENDPOINTS.items()]
"""Below the version."""
prerelease_routes = [
    Route(f"/v1-prerelease{path}", endpoint) for path, endpoint in _ENDPOINTS.items()
]
"""What the model calls the documents of `1.0-prerelease`; before all versions."""
