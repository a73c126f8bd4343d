"""The change feed's parameters and wire form; order and windows are the index's."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from longshore.index import changes
from longshore.index.changes import Change
from tests.dicomweb.packs import Stored
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

DOCUMENT = "bulkdata/00420011?offset=0&length=1"
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


class Feed:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.asked: dict[str, Any] = {}

    async def changes_after(self, _: object, **asked: Any) -> Sequence[Change]:
        self.asked = {"after": True, **asked}
        return self.changes

    async def changes_between(self, _: object, **asked: Any) -> Sequence[Change]:
        self.asked = {"between": True, **asked}
        return self.changes

    async def latest(self, _: object) -> Change | None:
        return self.changes[-1] if self.changes else None


@pytest.fixture
def feed(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Feed:
    feed = Feed()
    for name in ("changes_after", "changes_between", "latest"):
        monkeypatch.setattr(changes, name, getattr(feed, name))
    shelf.store(
        Stored(b"1", {"00080018": {"vr": "UI"}}, sop_instance_uid="7"),
        Stored(b"2", {"00420011": {"vr": "OB", "BulkDataURI": DOCUMENT}},
               sop_instance_uid="8"),
    )  # fmt: skip
    seven, eight = shelf.located
    feed.changes = [
        change(1, "create", "replaced", located=seven, uid="7"),
        change(2, "delete", "deleted", located=None, uid="6"),
        change(3, "create", "current", located=eight, uid="8"),
        change(4, "create", "current", located=seven, uid="7"),
    ]
    return feed


def change(watermark: int, action: str, state: str, *, located: Any, uid: str) -> Change:
    return Change(
        watermark=watermark,
        changed_at=WHEN,
        partition_name="Microsoft.Default",
        study_uid="1.2",
        series_uid="1.2.3",
        sop_instance_uid=uid,
        action=action,
        state=state,
        located=located,
    )


async def test_entries_on_the_wire(http: httpx.AsyncClient, feed: Feed) -> None:
    response = await http.get("/v2/changefeed")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    first, deleted, third, last = response.json()
    assert first == {
        "sequence": 1,
        "partitionName": "Microsoft.Default",
        "studyInstanceUid": "1.2",
        "seriesInstanceUid": "1.2.3",
        "sopInstanceUid": "7",
        "action": "Create",
        "timestamp": "2026-01-02T03:04:05.678900+00:00",
        "state": "Replaced",
        "metadata": {"00080018": {"vr": "UI"}},
    }
    assert (deleted["action"], deleted["state"]) == ("Delete", "Deleted")
    assert "metadata" not in deleted
    assert third["metadata"]["00420011"]["BulkDataURI"] == (
        "http://pacs.example/v2/studies/1.2/series/1.2.3/instances/8/bulkdata/00420011"
    )
    assert last["metadata"] == first["metadata"]


async def test_metadata_only_if_wanted(http: httpx.AsyncClient, feed: Feed, shelf: Shelf) -> None:
    for path in ("/v1/changefeed", "/v2/changefeed", "/v2/changefeed/latest"):
        response = await http.get(path, params={"includeMetadata": "FALSE"})
        assert "metadata" not in response.text
    assert shelf.blobs.requests == []


async def test_latest(http: httpx.AsyncClient, feed: Feed) -> None:
    assert (await http.get("/v1/changefeed/latest")).json()["sequence"] == 4
    feed.changes.clear()
    nothing = await http.get("/v1/changefeed/latest")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert (await http.get("/v2/changefeed")).json() == []


MIN, MAX = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/changefeed", {"after": True, "watermark": 0, "limit": 10}),
        ("/v1/changefeed?offset=9223372036854775807&limit=100&startTime=never",
         {"after": True, "watermark": 2**63 - 1, "limit": 100}),
        ("/v2/changefeed",
         {"between": True, "start": MIN, "end": MAX, "skip": 0, "limit": 100}),
        ("/v2/changefeed?LIMIT=200&Offset=7&unknown=1",
         {"between": True, "start": MIN, "end": MAX, "skip": 7, "limit": 200}),
        ("/v2/changefeed?startTime=2023-05-03T10:58:00Z&endTime=2023-05-03T14:58:00.1234567%2B02:00",
         {"between": True, "start": datetime(2023, 5, 3, 10, 58, tzinfo=UTC),
          "end": datetime(2023, 5, 3, 12, 58, 0, 123456, tzinfo=UTC), "skip": 0, "limit": 100}),
        ("/v2/changefeed?endTime=9999-12-31T23:59:59.9999999Z&startTime=0001-01-01T00:00:00Z",
         {"between": True, "start": MIN, "end": MAX, "skip": 0, "limit": 100}),
    ],
)  # fmt: skip
async def test_parameters_reach_the_index(
    http: httpx.AsyncClient, feed: Feed, path: str, asked: dict[str, Any]
) -> None:
    assert (await http.get(path)).status_code == 200
    assert feed.asked == asked


INVALID = "The query parameter '{}' is invalid."


@pytest.mark.parametrize(
    ("path", "text"),
    [
        *((f"/v1/changefeed?limit={bad}", INVALID.format("Limit"))
          for bad in ("0", "-1", "101", "x", "", "1.5", "1_0", "%D9%A1")),
        *((f"/v2/changefeed?limit={bad}", INVALID.format("Limit")) for bad in ("0", "201")),
        *((f"/v{version}/changefeed?offset={bad}", INVALID.format("Offset"))
          for version in (1, 2) for bad in ("-1", "9223372036854775808", "x")),
        *((f"/v{version}/changefeed{latest}?includeMetadata={bad}",
           INVALID.format("IncludeMetadata"))
          for version in (1, 2) for latest in ("", "/latest") for bad in ("0", "1", "true-ish")),
        ("/v2/changefeed?startTime=2023-05-03T10:58:00",
         "The query parameter 'StartTime' is invalid. Date and time value must specify a time"
         " zone."),
        ("/v2/changefeed?endTime=yesterday", INVALID.format("EndTime")),
        # An offset's plus that was not encoded arrives as a space.
        ("/v2/changefeed?endTime=2023-05-03T10:58:00+00:00", INVALID.format("EndTime")),
        ("/v2/changefeed?startTime=0001-01-01T00:00:00%2B14:00", INVALID.format("StartTime")),
        ("/v2/changefeed?startTime=2023-01-01T00:00:00Z&endTime=2023-01-01T01:00:00%2B01:00",
         "The start time '2023-01-01T00:00:00+00:00' must occur strictly before the end time"
         " '2023-01-01T00:00:00+00:00'."),
    ],
)  # fmt: skip
async def test_bad_parameters(http: httpx.AsyncClient, feed: Feed, path: str, text: str) -> None:
    response = await http.get(path)
    assert response.status_code == 400, response.text
    assert response.text.startswith(text)
    assert feed.asked == {}
