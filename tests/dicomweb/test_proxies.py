"""What a proxy says counts if it is trusted, and only then."""

import ipaddress
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from tests.dicomweb.packs import Stored
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

NETWORKS = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "2001:db8::/32")]
METADATA = "/v2/studies/1.2/metadata"
BULKDATA = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4/bulkdata/00420011"
DOCUMENT = Stored(
    b"document",
    {"00420011": {"vr": "OB", "BulkDataURI": "bulkdata/00420011?offset=0&length=8"}},
)
FORWARDED = {"Forwarded": "for=192.0.2.1;proto=https;host=viewer.example"}


async def url_given_out(app: Starlette, peer: str, headers: dict[str, str]) -> str:
    """Returns the root of the BulkDataURI that a peer gets."""
    app.state.origin = replace(app.state.origin, trusted_proxies=NETWORKS)
    transport = httpx.ASGITransport(app, client=(peer, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://pacs.example") as http:
        (found,) = (await http.get(METADATA, headers=headers)).json()
    uri = found["00420011"]["BulkDataURI"]
    assert uri.endswith(BULKDATA)
    return uri.removesuffix(BULKDATA)


@pytest.mark.parametrize(
    ("headers", "root"),
    [
        ({}, "http://pacs.example"),
        (FORWARDED, "https://viewer.example"),
        ({"Forwarded": 'For="[2001:db8::1]:80"; HOST="a.example:8443";Proto=https, host=b'},
         "https://a.example:8443"),
        ({"Forwarded": 'host="[2001:db8::1]:80"'}, "http://[2001:db8::1]:80"),
        ({"Forwarded": "for=x"}, "http://pacs.example"),
        ({"Forwarded": "host=evil/path;proto=javascript"}, "http://pacs.example"),
        ({"Forwarded": 'host="unterminated'}, "http://pacs.example"),
        ({"Forwarded": "host=" + "a" * 4000}, "http://pacs.example"),
        ({**FORWARDED, "X-Forwarded-Host": "other.example", "X-Forwarded-Prefix": "/dicom/"},
         "https://viewer.example/dicom"),
        ({"X-Forwarded-Host": "a.example, b.example", "X-Forwarded-Proto": "https"},
         "https://a.example"),
    ],
)  # fmt: skip
async def test_a_trusted_proxy_is_believed(
    app: Starlette, shelf: Shelf, headers: dict[str, str], root: str
) -> None:
    shelf.store(DOCUMENT)
    for peer in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::9"):
        assert await url_given_out(app, peer, headers) == root


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "::ffff:11.0.0.1", "2001:db9::1", ""])
async def test_nobody_else_is(app: Starlette, shelf: Shelf, peer: str) -> None:
    shelf.store(DOCUMENT)
    said = {**FORWARDED, "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    assert await url_given_out(app, peer, said) == "http://pacs.example"


async def test_the_setting_outranks_everybody(app: Starlette, shelf: Shelf) -> None:
    shelf.store(DOCUMENT)
    app.state.origin = replace(app.state.origin, public_url="https://pacs.example:8443/dicom")
    for peer in ("10.1.2.3", "11.0.0.1"):
        assert await url_given_out(app, peer, FORWARDED) == "https://pacs.example:8443/dicom"


async def test_a_strict_service_wants_an_accept(
    app: Starlette, http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(DOCUMENT)
    paths = ("/v2/studies/1.2", METADATA, BULKDATA)
    for path in paths:
        assert (await http.get(path)).status_code == 200
    app.state.origin = replace(app.state.origin, is_accept_strict=True)
    for path in paths:
        refused = await http.get(path)
        assert refused.status_code == 406
        assert refused.text == "The request headers are not acceptable: Accept is missing."
        assert (await http.get(path, headers={"Accept": "*/*"})).status_code == 200
        assert (await http.get(f"{path}?accept=*/*")).status_code == 200
