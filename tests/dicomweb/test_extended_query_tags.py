"""The routes of extended query tags and operations: bodies, answers, refusals.

Numbers in test names are lines of the reference's acceptance checklist.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from longshore.services.reindex import reindex
from longshore.settings import Settings
from tests.services.shop import Shop, opened
from tests.support import synthetic

pytestmark = pytest.mark.anyio

TAGS = "/v2/extendedquerytags"
SERIAL = {"path": "00181000", "level": "Instance"}
PRIVATE = {"path": "12051003", "vr": "FD", "privateCreator": "ACME 1.1", "level": "Series"}


@pytest.fixture
async def shop(dsn: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(Settings(database=dsn, data=tmp_path)) as shop:
        yield shop


async def add(shop: Shop, *tags: dict[str, Any], version: str = "v2") -> Any:
    return await shop.client.post(f"/{version}/extendedquerytags", json=list(tags))


async def done(shop: Shop) -> None:
    await reindex(shop.database, shop.blobs)


async def test_122_add_list_get_and_delete(shop: Shop) -> None:
    answer = await add(shop, SERIAL, PRIVATE, {"path": "Manufacturer", "level": "study"})
    assert answer.status_code == 202
    operation = answer.json()
    assert operation.keys() == {"id", "href"}
    assert operation["href"] == f"http://longshore/v2/operations/{operation['id']}"
    assert len(operation["id"]) == 32
    assert answer.headers["location"] == operation["href"]
    first = {"path": "00181000", "vr": "LO", "status": "adding", "level": "instance"}
    first |= {"operation": operation, "queryStatus": "enabled"}
    found = (await shop.client.get(TAGS)).json()
    assert found[0] == first
    assert [(each["path"], each["vr"], each["level"]) for each in found[1:]] == [
        ("12051003", "FD", "series"),
        ("00080070", "LO", "study"),
    ]
    assert found[1]["privateCreator"] == "ACME 1.1"
    removal = await shop.client.delete(f"{TAGS}/00181000")
    assert (removal.status_code, "being processed" in removal.text) == (400, True)
    await done(shop)
    del first["operation"]
    ready = await shop.client.get(f"{TAGS}/DeviceSerialNumber")
    assert ready.json() == {**first, "status": "ready"}
    assert ready.headers["content-type"] == "application/json"
    assert (await shop.client.delete(f"{TAGS}/00181000")).status_code == 204
    again = await shop.client.delete(f"{TAGS}/00181000")
    assert (again.status_code, "00181000 cannot be found" in again.text) == (404, True)
    assert (await shop.client.get(f"{TAGS}/00181000")).status_code == 404
    assert (await add(shop, SERIAL)).status_code == 202


async def test_123_146_an_operation_runs_and_ends(shop: Shop) -> None:
    operation = (await add(shop, SERIAL)).json()
    running = await shop.client.get(f"/v2/operations/{operation['id']}")
    assert running.status_code == 202
    assert running.headers["location"] == operation["href"]
    body = running.json()
    times = body.pop("createdTime"), body.pop("lastUpdatedTime")
    assert all(each.endswith("Z") for each in times)
    assert body == {
        "operationId": operation["id"],
        "type": "reindex",
        "status": "notStarted",
        "percentComplete": 0,
        "resources": ["http://longshore/v2/extendedquerytags/00181000"],
    }
    await done(shop)
    ended = await shop.client.get(f"/v2/operations/{operation['id'].upper()}")
    assert (ended.status_code, ended.json()["status"]) == (200, "succeeded")
    assert ended.json()["percentComplete"] == 100
    for version in ("v1", "v1.0-prerelease"):
        first = await shop.client.get(f"/{version}/operations/{operation['id']}")
        assert first.json()["status"] == "completed"
        assert first.json()["resources"] == [
            f"http://longshore/{version}/extendedquerytags/00181000"
        ]


@pytest.mark.parametrize("name", ["0" * 32, "x", "123", "00000000-0000-0000-0000-000000000000"])
async def test_123_an_unknown_operation_is_404_without_body(shop: Shop, name: str) -> None:
    answer = await shop.client.get(f"/v2/operations/{name}")
    assert (answer.status_code, answer.text) == (404, "")


async def test_121_what_is_there_already_conflicts(shop: Shop) -> None:
    operation = (await add(shop, SERIAL)).json()
    running = await add(shop, PRIVATE)
    assert running.status_code == 409
    assert running.headers["location"] == operation["href"]
    assert running.headers["content-type"] == "text/plain; charset=utf-8"
    assert operation["id"] in running.text
    await done(shop)
    known = await add(shop, PRIVATE, {"path": "DeviceSerialNumber", "level": "Study"})
    assert (known.status_code, "already exist" in known.text) == (409, True)
    assert len((await shop.client.get(TAGS)).json()) == 1


async def test_121_one_tag_too_many_is_400(shop: Shop) -> None:
    tags = [
        {"path": f"0077{0x1000 + n:04X}", "vr": "SH", "privateCreator": "A", "level": "Study"}
        for n in range(128)
    ]
    assert (await add(shop, *tags)).status_code == 202
    await done(shop)
    answer = await add(shop, SERIAL)
    assert (answer.status_code, "'128'" in answer.text) == (400, True)
    pages = [
        (await shop.client.get(TAGS, params=parameters)).json()
        for parameters in ({}, {"limit": 100, "offset": 100}, {"LIMIT": "3", "Offset": "126"})
    ]
    assert [len(page) for page in pages] == [100, 28, 2]
    assert pages[2][0]["path"] == "0077107E"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "offset=-1", "limit=", "offset=1e3"]
)
async def test_a_page_that_cannot_be(shop: Shop, query: str) -> None:
    for path in (TAGS, f"{TAGS}/00181000/errors"):
        answer = await shop.client.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert "is invalid" in answer.text


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": ([], "is missing"),
    "an object": ({"path": "00181000"}, "is missing"),
    "no objects": (["00181000"], "expected an object"),
    "no level": ([{"path": "00181000"}], "'[0].Level' in request body is invalid"),
    "an empty level": ([{"path": "00181000", "level": " "}], "must not be null, empty"),
    "an unknown level": (
        [SERIAL, {"path": "Manufacturer", "level": "Studys"}],
        "'$[1].Level' in request body is invalid: Expected value 'Studys' to be one of the"
        " following values: ['Instance', 'Series', 'Study']",
    ),
    "a number for a level": ([{"path": "00181000", "level": 1}], "expected a text"),
    "an empty path": ([{"path": "", "level": "Study"}], "'[0].Path' in request body is invalid"),
    "no path": ([{"level": "Study"}], "must be specified and must not be null"),
    "no tag": ([{"path": "0018100", "level": "Study"}], "cannot be parsed into a valid"),
    "no keyword": ([{"path": "Manufacture", "level": "Study"}], "cannot be parsed"),
    "the same twice": ([SERIAL, {**SERIAL, "path": "DeviceSerialNumber"}], "specified before"),
    "a core attribute": ([{"path": "00100020", "level": "Study"}], "is already supported"),
    "no VR": ([{**SERIAL, "vr": "XX"}], "The VR code 'XX' for tag '00181000' is invalid"),
    "a VR of no use": ([{**SERIAL, "vr": "DS"}], "is not supported"),
    "a sequence": ([{"path": "00400275", "level": "Series"}], "'SQ' specified for tag"),
    "another VR": ([{**SERIAL, "vr": "SH"}], "expected VR code for it is 'LO'"),
    "an unknown tag": ([{"path": "00181FFF", "level": "Study"}], "The vr for tag"),
    "no private VR": ([{**PRIVATE, "vr": None}], "The vr for tag '12051003' is missing"),
    "no creator": ([{**PRIVATE, "privateCreator": ""}], "private tag '12051003' is missing"),
    "a bad creator": ([{**PRIVATE, "privateCreator": "A" * 65}], "not a valid LO"),
    "a creator too many": ([{**SERIAL, "privateCreator": "A"}], "not empty for standard tag"),
    "an identification code's creator": (
        [{"path": "12050010", "level": "Study", "privateCreator": "A"}],
        "private identification code",
    ),
    "an element of no block": ([{**PRIVATE, "path": "12050203"}], "cannot be parsed"),
    "a path into items": ([{"path": "00400275.00400007", "level": "Study"}], "Sequential"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_120_what_cannot_be_added(shop: Shop, name: str) -> None:
    body, reason = REFUSED[name]
    answer = await shop.client.post(TAGS, json=body)
    assert answer.status_code == 400
    assert reason in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await shop.client.get(TAGS)).json() == []


async def test_143_144_members_and_words_in_any_case(shop: Shop) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = b'[{"Path":"12051003","VR":"fd","PRIVATECREATOR":"ACME","Level":"INSTANCE"}]'
    answer = await shop.client.post("/V2/ExtendedQueryTags/", content=body, headers=headers)
    assert answer.status_code == 202
    await done(shop)
    body = b'{"QueryStatus":"Disabled"}'
    answer = await shop.client.patch(f"{TAGS}/12051003", content=body, headers=headers)
    assert (answer.status_code, answer.json()["queryStatus"]) == (200, "disabled")
    body = b'{"queryStatus":"ENABLED"}'
    answer = await shop.client.patch(f"{TAGS}/12051003", content=body, headers=headers)
    assert answer.json() == (await shop.client.get(f"{TAGS}/12051003")).json()
    assert answer.json()["queryStatus"] == "enabled"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("00181000", b'{"queryStatus":"enabled","level":"study"}', 400),
        ("00181000", b'{"queryStatus":"off"}', 400),
        ("00181000", b'{"queryStatus":1}', 400),
        ("00181000", b"{}", 400),
        ("00181000", b"", 400),
        ("00181000", b"[]", 400),
        ("00181000", b"{'", 400),
        ("00181001", b'{"queryStatus":"enabled"}', 404),
        ("no-tag", b'{"queryStatus":"enabled"}', 400),
    ],
)
async def test_a_change_that_cannot_be(shop: Shop, path: str, body: bytes, status: int) -> None:
    await add(shop, SERIAL)
    headers = {"Content-Type": "application/json"}
    answer = await shop.client.patch(f"{TAGS}/{path}", content=body, headers=headers)
    assert answer.status_code == status, answer.text


async def test_other_bodies(shop: Shop) -> None:
    for headers in ({"Content-Type": "text/plain"}, {}):
        answer = await shop.client.post(TAGS, content=b"[]", headers=headers)
        assert answer.status_code == 415
    headers = {"Content-Type": "application/json"}
    answer = await shop.client.post(TAGS, content=b"[" * 2_000_000, headers=headers)
    assert answer.status_code == 413
    for body in (b"", b"[", b"\xff", b"null"):
        answer = await shop.client.post(TAGS, content=body, headers=headers)
        assert answer.status_code == 400, body


async def test_the_paths_of_nothing(shop: Shop) -> None:
    for path in ("00181000", "00181000/errors", "Manufacturer"):
        assert (await shop.client.get(f"{TAGS}/{path}")).status_code == 404
    for path in ("123", "no tag", "a.b/errors"):
        assert (await shop.client.get(f"{TAGS}/{path}")).status_code == 400
    answer = await shop.client.put(f"{TAGS}/00181000")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


async def test_119_errors_are_told(shop: Shop) -> None:
    """v1 does not look at what is no tag yet, so that a bad value may be stored."""
    file = synthetic.ct(1).replace(b"\x20\x00\x13\x00IS\x02\x001 ", b"\x20\x00\x13\x00IS\x02\x00xx")
    headers = {"Content-Type": "application/dicom"}
    assert (await shop.client.post("/v1/studies", content=file, headers=headers)).status_code == 200
    await shop.store([2, 3])
    operation = (await add(shop, {"path": "InstanceNumber", "level": "Instance"})).json()
    await done(shop)
    ended = await shop.client.get(f"/v2/operations/{operation['id']}")
    assert ended.json()["status"] == "succeeded"
    tag = (await shop.client.get(f"{TAGS}/00200013")).json()
    href = "http://longshore/v2/extendedquerytags/00200013/errors"
    assert tag["errors"] == {"count": 1, "href": href}
    assert (tag["status"], tag["queryStatus"]) == ("ready", "disabled")
    (error,) = (await shop.client.get(f"{TAGS}/InstanceNumber/errors")).json()
    created = error.pop("createdTime")
    study_uid, series_uid, sop_instance_uid = synthetic.uids(1)
    assert created.endswith("Z")
    assert error == {
        "partitionName": "Microsoft.Default",
        "studyInstanceUid": study_uid,
        "seriesInstanceUid": series_uid,
        "sopInstanceUid": sop_instance_uid,
        "errorMessage": "Value cannot be parsed as a valid integer string.",
    }
    assert (await shop.client.get(f"{href}?offset=1")).json() == []
    await shop.client.delete(f"/v2{synthetic.path(1)}")
    assert "errors" not in (await shop.client.get(f"{TAGS}/00200013")).json()
    assert (await shop.client.get(href)).json() == []
