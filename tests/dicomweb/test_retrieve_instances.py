"""Whole instances on the wire: read back by independent parsers, and byte by byte."""

import email.policy
import re
from email.parser import BytesParser
from typing import Any

import httpx
import pytest

from longshore.dicomweb import retrieve
from longshore.index.locate import Located
from longshore.services.retrieve_pieces import CHUNK_BYTES
from tests.dicomweb.packs import EXPLICIT, JPEG, Stored
from tests.dicomweb.shelf import Shelf
from tests.support import related

pytestmark = pytest.mark.anyio

BINARY = bytes(range(256)) + b"\r\n--\r\n\r\n--"
MANY = [
    Stored(BINARY * n, {}, sop_instance_uid=f"1.2.3.{n}", transfer_syntax_uid=syntax)
    for n, syntax in enumerate([EXPLICIT, JPEG, EXPLICIT, EXPLICIT])
]


def google_viewer_parts(response: httpx.Response) -> list[bytes]:
    """Splits as healthcare-api-dicom-viewer does: by position, not by grammar."""
    boundary = response.headers["content-type"].split(";")[1][10:]
    body = response.content[: -(len(boundary) + 8)]
    parts = body.split(b"--" + boundary.encode() + b"\r\n")
    assert parts[0] == b""
    return [part.split(b"\r\n\r\n", 1)[1] for part in parts[1:]]


async def test_a_study_reads_back_in_every_parser(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*MANY[:3])
    shelf.store(MANY[3])
    response = await http.get("/v2/studies/1.2")
    payloads = [each.payload for each in MANY]

    content_type = response.headers["content-type"]
    assert re.fullmatch(
        r'multipart/related; boundary=[0-9a-f]{32}; type="application/dicom"', content_type
    )
    assert int(response.headers["content-length"]) == len(response.content)
    toolbelt = related.parts(response)
    assert [part.content for part in toolbelt] == payloads
    types = [part.content_type for part in toolbelt]
    assert types == [
        f"application/dicom; transfer-syntax={each.transfer_syntax_uid}" for each in MANY
    ]
    message = BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + response.content
    )
    assert message.defects == []
    assert [part.get_content_type() for part in message.iter_parts()] == ["application/dicom"] * 4
    assert len(google_viewer_parts(response)) == 4
    assert google_viewer_parts(response)[3] == payloads[3]


async def test_the_bytes_around_parts_are_exactly_these(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(Stored(b"one", {}), Stored(b"", {}), Stored(b"three", {}), Stored(b"", {}))
    response = await http.get("/v2/studies/1.2", headers={"accept": "*"})
    boundary = response.headers["content-type"].split(";")[1].removeprefix(" boundary=")
    head = f"--{boundary}\r\nContent-Type: application/dicom; transfer-syntax={EXPLICIT}\r\n\r\n"
    assert response.text == (f"{head}one\r\n{head}\r\n{head}three\r\n{head}\r\n--{boundary}--\r\n")
    assert len(head) < 1000
    assert int(response.headers["content-length"]) == len(response.content)


async def test_a_boundary_belongs_to_one_sequence_of_bytes(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    async def content_type() -> str:
        return (await http.get("/v2/studies/1.2")).headers["content-type"]

    shelf.store(MANY[1])
    first = await content_type()
    assert await content_type() == first
    shelf.store(MANY[2])
    both = await content_type()
    # As merging packs does: the same instances in another order.
    shelf.located.reverse()
    assert len({first, both, await content_type()}) == 3


async def test_an_instance_alone_is_its_bytes(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*MANY)
    response = await http.get(
        "/v2/studies/1.2/series/1.2.3/instances/1.2.3.1",
        headers={"accept": "application/dicom; transfer-syntax=*"},
    )
    assert response.content == MANY[1].payload
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={JPEG}"
    assert response.headers["content-length"] == str(len(MANY[1].payload))


@pytest.mark.parametrize("level", ["", "/series/1.2.3", "/series/1.2.3/instances/1.2.3.1"])
async def test_refusals_come_before_any_read(
    http: httpx.AsyncClient, shelf: Shelf, level: str
) -> None:
    missing = await http.get(f"/v2/studies/1.2{level}")
    assert missing.status_code == 404
    assert re.fullmatch("The specified (study|series|instance) cannot be found.", missing.text)
    shelf.store(*MANY)
    for accept in ('multipart/related; type="application/octet-stream"', "text/html"):
        refused = await http.get(f"/v2/studies/1.2{level}", headers={"accept": accept})
        assert refused.status_code == 406
        assert 'multipart/related; type="application/dicom"' in refused.text
    assert shelf.blobs.requests == []


async def test_what_lies_together_is_read_together(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*MANY)
    shelf.store(*MANY)
    # The index may give any order; the pack's order is the cheap one.
    shelf.located.reverse()
    response = await http.get("/v2/studies/1.2/series/1.2.3")
    assert len(shelf.blobs.requests) == 2
    parts = related.parts(response)
    assert [part.content for part in parts] == [each.payload for each in MANY] * 2


async def test_a_long_instance_is_streamed_and_closed(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    long = Stored(bytes(3 * CHUNK_BYTES + 7), {})
    shelf.store(Stored(b"short", {}), long)
    async with http.stream("GET", "/v2/studies/1.2") as response:
        sizes = [len(chunk) async for chunk in response.aiter_raw()]
    assert sum(sizes) == int(response.headers["content-length"])
    assert shelf.blobs.open_streams == 0


async def test_a_pack_that_vanished_is_located_once_more(
    http: httpx.AsyncClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = shelf.store(Stored(b"moved", {}), name="packs/00/old.zip")

    async def locate(*args: Any, **uids: Any) -> list[Located]:
        found = list(await shelf.locate(*args, **uids))
        if shelf.locate_count == 1:
            del shelf.blobs.contents["packs/00/old.zip"]
            shelf.located.remove(first)
            shelf.store(Stored(b"moved", {}), name="packs/00/new.zip")
        return found

    monkeypatch.setattr(retrieve, "locate", locate)
    response = await http.get("/v2/studies/1.2")
    assert response.status_code == 200
    assert b"moved" in response.content
    assert shelf.locate_count == 2


async def test_a_pack_that_stays_away_is_the_storages_fault(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(*MANY)
    shelf.blobs.contents.clear()
    response = await http.get("/v2/studies/1.2")
    assert response.status_code == 503
    assert response.text == "The data store operation failed."
    assert shelf.locate_count == 2


async def test_an_instance_known_to_the_user_agent_is_not_sent(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(*MANY)
    url = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.1"
    single = {"accept": "application/dicom; transfer-syntax=*"}
    tag = (await http.get(url, headers=single)).headers["etag"]
    assert re.fullmatch('"[0-9a-f]{16}"', tag)
    again = await http.get(url, headers={**single, "if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    parts = await http.get(url, headers={"if-none-match": tag})
    assert parts.status_code == 200
    assert re.fullmatch('"[0-9a-f]{16}"', parts.headers["etag"])
    series = await http.get("/v2/studies/1.2/series/1.2.3")
    assert series.headers["etag"].startswith('W/"')


async def test_deleting_is_for_good(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*MANY)
    instance = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.1"
    response = await http.delete(instance)
    assert (response.status_code, response.content) == (204, b"")
    assert (await http.get(instance)).status_code == 404
    assert (await http.delete(instance)).status_code == 404
    assert (await http.get("/v2/studies/1.2/series/1.2.3")).status_code == 200
    assert (await http.delete("/v2/studies/1.2/series/1.2.3")).status_code == 204
    assert (await http.delete("/v2/studies/1.2")).text == "The specified study cannot be found."
    assert shelf.dead == ["1.2.3.1", "1.2.3.0", "1.2.3.2", "1.2.3.3"]
