"""The headers of a Search that say where the rest is."""

import pytest

from tests.dicomweb.test_search import SERVICE, anyio_backend, search, search_sample, value

__all__ = ["anyio_backend", "search", "search_sample"]

pytestmark = pytest.mark.anyio


async def follow(search, url):
    """Returns the SOP Instance UIDs of all pages."""
    found: list[str] = []
    for _ in range(10):
        response = await search(url)
        assert response.status_code == 200
        found += [value(each, "00080018") for each in response.json()]
        if "link" not in response.headers:
            return found
        url, relation = response.headers["link"].split(">; ")
        assert relation == 'rel="next"'
        url = url.removeprefix("<")
    raise AssertionError("the pages do not end")


async def test_more_remains(search):
    response = await search("/v2/instances?limit=2&offset=1&includefield=Rows")
    url = response.headers["link"].removeprefix("<").split(">")[0]
    assert url.startswith(f"{SERVICE}/v2/instances?limit=2&includefield=Rows&cursor=")
    assert response.headers["warning"].startswith('299 pacs.example: "There are more')
    rest = await search(url)
    assert [value(each, "00080018") for each in rest.json()] == ["1.1.1.1"]
    assert not {"link", "warning"} & rest.headers.keys()


@pytest.mark.parametrize("path", ["/v2/studies", "/v2/studies?limit=2", "/v2/studies?limit=99999"])
async def test_nothing_remains(search, path):
    response = await search(path)
    assert not {"link", "warning", "x-total-count"} & response.headers.keys()


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("/v1/instances", ["1.2.1.1", "1.1.1.2", "1.1.2.1", "1.1.1.1"]),
        ("/v2/studies/1.1/instances", ["1.1.1.2", "1.1.2.1", "1.1.1.1"]),
        ("/v2/studies/1.1/series/1.1.1/instances", ["1.1.1.2", "1.1.1.1"]),
        ("/v2/instances?orderby=-StudyDate,InstanceNumber", "1.2.1.1 1.1.2.1 1.1.1.1 1.1.1.2"),
        ("/v2/instances?PatientName=Jos%C3%A9%5EAna&orderby=-00080018", "1.1.2.1 1.1.1.2 1.1.1.1"),
    ],
)
async def test_links_lead_through_everything(search, path, whole):
    whole = whole.split() if isinstance(whole, str) else whole
    for limit in (1, 2, 3):
        assert await follow(search, f"{path}{'&' if '?' in path else '?'}limit={limit}") == whole


async def test_a_cursor_belongs_to_its_order(search):
    response = await search("/v2/studies?orderby=StudyDate&limit=1")
    url = response.headers["link"].removeprefix("<").split(">")[0]
    response = await search(url.replace("orderby=StudyDate", "orderby=PatientName,StudyDate"))
    assert response.status_code == 400
    assert "same orderby" in response.text


async def test_a_total_on_request(search):
    response = await search("/v2/instances?totalcount=true&limit=1&Modality=CT")
    assert response.headers["x-total-count"] == "2"
    response = await search("/v2/instances?totalcount=true&PatientID=nobody")
    assert (response.status_code, response.headers["x-total-count"]) == (204, "0")
