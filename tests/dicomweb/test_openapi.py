"""The OpenAPI documents: every route is in them, nothing else is, all references lead somewhere.

Numbers in test names are lines of the reference's acceptance checklist.
"""

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
import yaml
from jsonschema_rs import Draft202012Validator
from starlette.applications import Starlette

from longshore.dicomweb.health import health_routes
from longshore.dicomweb.openapi.document import METHODS, document
from longshore.dicomweb.routes import PARTITIONED_ROUTES, SHARED_ROUTES
from longshore.services.partitions import Partitions
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

VERSIONS = {"v1": 1, "v2": 2, "v1.0-prerelease": 1, "v1.0": 1, "v2.0": 2}


def of(version: str = "v2", *, is_partitioned: bool = False) -> dict[str, Any]:
    return document(
        f"/{version}",
        api_version=VERSIONS[version],
        is_partitioned=is_partitioned,
        product_version="0",
    )


def registered(version: str, *, is_partitioned: bool) -> set[tuple[str, str]]:
    """Methods and paths of all routes, as the document has them; HEAD goes with GET."""
    middle = "/partitions/{partition}" if is_partitioned else ""
    below = [(f"/{version}{middle}", route) for route in PARTITIONED_ROUTES]
    below += [(f"/{version}", route) for route in SHARED_ROUTES]
    below += [("", route) for route in health_routes]
    return {
        (method.lower(), prefix + re.sub(r":\w+}", "}", route.path))
        for prefix, route in below
        for method in (route.methods or set()) - {"HEAD"}
    }


def documented(value: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method, path)
        for path, item in value["paths"].items()
        for method in METHODS
        if method in item
    }


@pytest.mark.parametrize("is_partitioned", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_it_has_every_route_and_nothing_else(version: str, is_partitioned: bool) -> None:
    found = documented(of(version, is_partitioned=is_partitioned))
    assert found == registered(version, is_partitioned=is_partitioned)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_is_openapi_3_1_whose_references_lead_somewhere(version: str) -> None:
    value = of(version, is_partitioned=True)
    assert value["openapi"].startswith("3.1.")
    assert value["info"].keys() >= {"title", "version"}
    for reference in references(value):
        found: Any = value
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found
    assert not [key for key in keys(value) if key.startswith("x-")], "what was for the builder"
    for schema in value["components"]["schemas"].values():
        Draft202012Validator({"components": value["components"], **schema})


def test_every_operation_has_a_name_of_its_own_and_says_what_can_go_wrong() -> None:
    value = of(is_partitioned=True)
    operations = [value["paths"][path][method] for method, path in sorted(documented(value))]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert "503" in operation["responses"]
    for path, item in value["paths"].items():
        assert ("options" in item) == path.startswith("/v2/")
    for method, path in documented(value):
        assert ("404" in value["paths"][path][method]["responses"]) == ("{" in path)


def test_versions_have_their_own_parameters_of_the_change_feed() -> None:
    parameters = {
        version: {
            each["name"]: each["schema"]
            for each in of(version)["paths"][f"/{version}/changefeed"]["get"]["parameters"]
        }
        for version in ("v1", "v2")
    }
    assert parameters["v1"].keys() == {"offset", "limit", "includeMetadata"}
    assert parameters["v2"].keys() == parameters["v1"].keys() | {"startTime", "endTime"}
    limits = [(each["limit"]["maximum"], each["limit"]["default"]) for each in parameters.values()]
    assert limits == [(100, 10), (200, 100)]


def test_searches_name_what_they_match() -> None:
    paths = of()["paths"]

    def names(path: str) -> set[str]:
        return {each["name"] for each in paths[f"/v2{path}"]["get"]["parameters"]}

    assert "PatientID" in names("/studies") & names("/series") & names("/instances")
    assert "Modality" in names("/series") & names("/studies/{study}/series")
    assert "Modality" not in names("/studies")
    assert "PatientID" not in names("/studies/{study}/instances")


@pytest.mark.parametrize("version", [*VERSIONS, "v1-prerelease", "V2"])
async def test_line_9_documents_are_served_as_json_and_yaml(
    http: httpx.AsyncClient, version: str
) -> None:
    as_json = await http.get(f"/{version}/api.json")
    assert as_json.status_code == 200
    assert as_json.headers["content-type"] == "application/json"
    as_yaml = await http.get(f"/{version}/api.yaml")
    assert as_yaml.status_code == 200
    assert as_yaml.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(as_yaml.content) == as_json.json()
    prefix = {"v1-prerelease": "/v1.0-prerelease", "V2": "/v2"}.get(version, f"/{version}")
    assert f"{prefix}/studies" in as_json.json()["paths"]


async def test_the_paths_are_those_of_the_service(app: Starlette, http: httpx.AsyncClient) -> None:
    assert "/v2/studies" in (await http.get("/v2/api.json")).json()["paths"]
    database: Any = Shelf()
    app.state.origin = replace(app.state.origin, partitions=Partitions(database))
    paths = (await http.get("/v2/api.json")).json()["paths"]
    assert "/v2/partitions/{partition}/studies" in paths
    assert "/v2/studies" not in paths


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for each in value.values() for found in references(each)]


def keys(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in keys(each)]
    if not isinstance(value, dict):
        return []
    return [*value] + [found for each in value.values() for found in keys(each)]
