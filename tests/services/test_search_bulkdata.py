"""A Search for an attribute that is bulkdata: its URI leads there (PS3.18 F.2.2)."""

import struct

import pytest

from tests.services.shop import Shop
from tests.services.test_reindex import ct
from tests.support import synthetic

pytestmark = pytest.mark.anyio

LONG = bytes(range(256)) * 16


@pytest.mark.parametrize("path", ["studies", "series", "instances"])
async def test_its_uri_leads_there(local_shop: Shop, path: str) -> None:
    shop = local_shop
    private = struct.pack("<HH2sH4s", 0x0009, 0x0010, b"LO", 4, b"ACME")
    private += struct.pack("<HH2sHI", 0x0009, 0x1001, b"OB", 0, len(LONG)) + LONG
    answer = await shop.client.post(
        "/v2/studies", content=ct(1, [private]), headers={"Content-Type": "application/dicom"}
    )
    assert answer.status_code == 200, answer.text
    answer = await shop.client.get(f"/v2/{path}", params={"includefield": "00091001"})
    (result,) = answer.json()
    uri = result["00091001"]["BulkDataURI"]
    assert uri.startswith("http")
    assert uri.endswith(f"/v2{synthetic.path(1)}/bulkdata/00091001")
    bulkdata = await shop.client.get(uri, headers={"Accept": "application/octet-stream"})
    assert (bulkdata.status_code, bulkdata.content) == (200, LONG)
