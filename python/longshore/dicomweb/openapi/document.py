"""Makes one OpenAPI document of the topics' files, for a version, with or without partitions."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import yaml

from longshore.dicomweb.search_attributes import RESOURCES, SearchResource
from longshore.index.search_columns import MATCHED
from longshore.index.search_items import MEMBERS

Node = dict[str, Any]

_FOLDER: Final = Path(__file__).parent
PARTITIONED_TOPICS: Final = ("store", "search", "retrieve", "delete")
"""Files whose paths name a partition while there are any."""
SHARED_TOPICS: Final = ("changes", "tags", "service")
"""Files of the service as a whole."""
METHODS: Final = ("get", "post", "put", "patch", "delete")
_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")


@cache
def document(prefix: str, *, api_version: int, is_partitioned: bool, product_version: str) -> Node:
    """Returns a document. It is shared: do not change it.

    Args:
        prefix: Of all versioned paths: `/v2`.
        api_version: 1 or 2; leaves out what the other one has alone.
        is_partitioned: Whether paths name a partition.
        product_version: The service's.
    """
    base = _read("base")
    paths: dict[str, Node] = {}
    for topic in (*PARTITIONED_TOPICS, *SHARED_TOPICS):
        content = _read(topic)
        if topic == "search":
            for resource in RESOURCES:
                content["paths"][resource.path]["get"]["parameters"] += _filters(resource)
        is_below = is_partitioned and topic in PARTITIONED_TOPICS
        middle = "/partitions/{partition}" if is_below else ""
        for path, item in content.get("paths", {}).items():
            # One path may be of several topics.
            paths.setdefault(f"{prefix}{middle}{path}", {}).update(item)
        paths.update(content.get("x-unversioned-paths", {}))
        for kind, components in content.get("components", {}).items():
            base["components"][kind].update(components)
    common, of_paths = base.pop("x-common-responses"), base.pop("x-path-responses")
    for path, item in paths.items():
        _complete(path, item, api_version, common, of_paths)
    responses = {**common, **of_paths}
    for item in (item for path, item in paths.items() if path.startswith(f"{prefix}/")):
        item["options"] = _capabilities(next(_operations(item))["operationId"], responses)
    base["info"]["version"] = product_version
    base["paths"] = dict(sorted(paths.items()))
    return base


def _complete(path: str, item: Node, api_version: int, common: Node, of_paths: Node) -> None:
    """Adds what all operations have, and those whose path has parameters."""
    names = _PATH_PARAMETER.findall(path)
    if names:
        item["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    for operation in _operations(item):
        _expand(operation, api_version)
        fallback = {**common, **of_paths} if names else common
        operation["responses"] = {**fallback, **operation["responses"]}


def _capabilities(name: str, responses: Node) -> Node:
    """Returns what OPTIONS is on the path of the operation `name`."""
    media_types = ("application/vnd.sun.wadl+xml", "application/json")
    return {
        "operationId": f"{name}Capabilities",
        "tags": ["Service"],
        "summary": "Describes the resource (PS3.18 8.9)",
        "responses": {
            **responses,
            "200": {
                "description": "What can be done with it",
                "headers": {"Allow": {"schema": {"type": "string"}}},
                "content": {each: {"schema": {}} for each in media_types},
            },
        },
    }


def _read(topic: str) -> Node:
    """Reads a file; with its aliases as values of their own, so that each can be changed."""
    text = (_FOLDER / f"{topic}.yaml").read_text(encoding="utf-8")
    return _copied(yaml.load(text, Loader=yaml.CSafeLoader))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _copied(each) for key, each in cast("Node", value).items()}
    if isinstance(value, list):
        return [_copied(each) for each in cast("list[Any]", value)]
    return value


def _operations(item: Node) -> Iterator[Node]:
    return (item[method] for method in METHODS if method in item)


def _expand(operation: Node, api_version: int) -> None:
    """Leaves out what another version has."""
    parameters: list[Node] = operation.get("parameters", [])
    kept = [each for each in parameters if each.pop("x-version", api_version) == api_version]
    if kept:
        operation["parameters"] = kept


def _filters(resource: SearchResource) -> list[Node]:
    """Returns a parameter for each attribute that a Search matches; tags will do as well."""
    return [
        {
            "name": each.keyword,
            "in": "query",
            "description": f"({each.tag >> 16:04X},{each.tag & 0xFFFF:04X}), VR {each.vr}",
            "schema": {"type": "string"},
        }
        for each in (*MATCHED.values(), *MEMBERS.values())
        if each.level in resource.matched_levels
    ]
