"""Partitions: the same UIDs in two of them never meet, whatever the route.

Numbers in test names are lines of the reference's acceptance checklist.
"""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pydicom
import pytest

from longshore.app import store_limits
from longshore.dicomweb.routes import PARTITIONED_ROUTES
from longshore.index.migrate import migrate
from longshore.services import partitions
from longshore.services.rebuild import rebuild
from longshore.settings import Settings
from tests.services.shop import Shop, empty, opened, query
from tests.support import synthetic
from tests.support.related import parts
from tests.support.stow import in_chunks

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

DEFAULT, OTHER = "Microsoft.Default", "a.B_c-9"
STUDY_UID, SERIES_UID, SOP_UID = synthetic.uids(1)
STUDY = f"/studies/{STUDY_UID}"
SERIES = f"{STUDY}/series/{SERIES_UID}"
INSTANCE = f"{SERIES}/instances/{SOP_UID}"
DOCUMENT_BYTES = 3_000
DICOM = {"Content-Type": "application/dicom"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
MULTIPART = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
PIXELS = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
BULK = {"Accept": "application/octet-stream"}


def file_of(name: str, number: int = 1) -> bytes:
    """The same UIDs in each partition, with pixels, texts and bulkdata of its own."""
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(number)))
    mark = name.encode()
    dataset.PatientName = name.upper()
    dataset.PatientID = f"P-{name}"
    dataset.ManufacturerModelName = f"P-{name}"
    dataset.PixelData = mark.ljust(16 * 16 * 2, b"\0")
    dataset.EncapsulatedDocument = mark.ljust(DOCUMENT_BYTES, b"\0")
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


FILES = {name: file_of(name) for name in (DEFAULT, OTHER)}


@pytest.fixture
async def ward(dsn: str, location: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A service with partitions, empty."""
    settings = Settings(database=dsn, blobs=location, data=tmp_path, partitions=True)
    async with opened(settings) as shop:
        yield shop


@pytest.fixture
async def both(ward: Shop) -> Shop:
    """The same UIDs in two partitions."""
    for name in FILES:
        answer = await ward.client.post(at(name, "/studies"), content=FILES[name], headers=DICOM)
        assert answer.status_code == 200, answer.text
        assert_urls(answer, name)
    return ward


def at(name: str, path: str, version: int = 2) -> str:
    return f"/v{version}/partitions/{name}{path}"


def assert_urls(answer: httpx.Response, name: str) -> None:
    """Every URL in an answer leads back into the partition."""
    text = answer.text
    assert text.count("http://longshore/") == text.count(f"http://longshore{at(name, '/studies')}")


async def answered(shop: Shop, name: str, path: str, headers: dict[str, str]) -> httpx.Response:
    answer = await shop.client.get(at(name, path), headers=headers)
    assert answer.status_code == 200, (name, path, answer.text)
    return answer


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_line_136_each_retrieve_returns_its_own(both: Shop, path: str) -> None:
    for name, file in FILES.items():
        answer = await answered(both, name, path, MULTIPART)
        assert [part.content for part in parts(answer)] == [file]
    if path == INSTANCE:
        for name, file in FILES.items():
            assert (await answered(both, name, path, AS_STORED)).content == file


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_line_136_each_metadata_is_its_own_and_so_is_its_etag(both: Shop, path: str) -> None:
    tags: set[str] = set()
    for name in FILES:
        answer = await answered(both, name, f"{path}/metadata", {})
        (metadata,) = answer.json()
        assert metadata["00100020"]["Value"] == [f"P-{name}"]
        assert metadata["00420011"]["BulkDataURI"].endswith(
            f"{at(name, INSTANCE)}/bulkdata/00420011"
        )
        assert_urls(answer, name)
        tags.add(answer.headers["etag"])
    assert len(tags) == len(FILES), "one partition's condition says nothing of another"
    for name in FILES:
        got = [
            await both.client.get(at(name, f"{path}/metadata"), headers={"If-None-Match": tag})
            for tag in sorted(tags)
        ]
        assert sorted(each.status_code for each in got) == [200, 304]


async def test_line_136_frames_and_bulkdata_are_their_own(both: Shop) -> None:
    for name in FILES:
        (frame,) = parts(await answered(both, name, f"{INSTANCE}/frames/1", PIXELS))
        assert frame.content.rstrip(b"\0") == name.encode()
        (metadata,) = (await answered(both, name, f"{INSTANCE}/metadata", {})).json()
        uri = metadata["00420011"]["BulkDataURI"]
        value = await both.client.get(uri, headers=BULK)
        assert (value.status_code, len(value.content)) == (200, DOCUMENT_BYTES)
        assert value.content.rstrip(b"\0") == name.encode()


SEARCHES = {
    "/studies": "PatientID",
    "/series": "PatientID",
    "/instances": "PatientID",
    f"{STUDY}/series": "ManufacturerModelName",
    f"{STUDY}/instances": "ManufacturerModelName",
    f"{SERIES}/instances": None,
}
"""Where to search, and what tells the partitions apart there."""


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("path", "keyword"), SEARCHES.items())
async def test_line_136_each_search_finds_its_own(
    both: Shop, path: str, keyword: str | None, version: int
) -> None:
    for name in FILES:
        answer = await both.client.get(at(name, f"{path}?includefield=00081190", version))
        assert answer.status_code == 200, answer.text
        (found,) = answer.json()
        (url,) = found["00081190"]["Value"]
        assert url.startswith(f"http://longshore{at(name, STUDY, version)}")
        if keyword is not None:
            for wanted in FILES:
                answer = await both.client.get(at(name, f"{path}?{keyword}=P-{wanted}", version))
                assert answer.status_code == (200 if wanted == name else 204), answer.text


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_line_136_a_delete_leaves_the_other_partition_alone(both: Shop, path: str) -> None:
    assert (await both.client.delete(at(OTHER, path))).status_code == 204
    for below in ("", "/metadata"):
        assert (await both.client.get(at(OTHER, f"{INSTANCE}{below}"))).status_code == 404
    assert (await both.client.delete(at(OTHER, path))).status_code == 404
    assert (await answered(both, DEFAULT, INSTANCE, AS_STORED)).content == FILES[DEFAULT]
    await both.reclaim()
    await both.reclaim()
    assert (await answered(both, DEFAULT, INSTANCE, AS_STORED)).content == FILES[DEFAULT]
    again = await both.client.post(at(OTHER, "/studies"), content=FILES[OTHER], headers=DICOM)
    assert again.status_code == 200


async def test_line_136_a_duplicate_is_one_within_its_partition(both: Shop) -> None:
    for name, file in FILES.items():
        answer = await both.client.post(at(name, "/studies"), content=file, headers=DICOM)
        assert answer.status_code == 409
        assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [45070]


@pytest.mark.parametrize("version", [1, 2])
async def test_line_136_the_change_feed_spans_them_and_names_each(both: Shop, version: int) -> None:
    await both.client.delete(at(OTHER, INSTANCE))
    answer = await both.client.get(f"/v{version}/changefeed")
    entries = answer.json()
    told = [(each["partitionName"], each["action"], each["state"]) for each in entries]
    assert told == [
        (DEFAULT, "Create", "Current"),
        (OTHER, "Create", "Deleted"),
        (OTHER, "Delete", "Deleted"),
    ]
    assert {each["sopInstanceUid"] for each in entries} == {SOP_UID}
    uri = entries[0]["metadata"]["00420011"]["BulkDataURI"]
    assert uri == f"http://longshore{at(DEFAULT, INSTANCE, version)}/bulkdata/00420011"
    latest = await both.client.get(f"/v{version}/changefeed/latest")
    assert latest.json()["partitionName"] == OTHER


async def test_line_136_both_are_listed(both: Shop) -> None:
    answer = await both.client.get("/v2/partitions")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    listed = answer.json()
    assert [(each["partitionKey"], each["partitionName"]) for each in listed] == [
        (1, DEFAULT),
        (listed[1]["partitionKey"], OTHER),
    ]
    assert all(each.keys() == {"partitionKey", "partitionName", "createdDate"} for each in listed)
    assert all(each["createdDate"].endswith(("Z", "+00:00")) for each in listed)


async def test_line_136_a_rebuilt_index_has_them_apart_again(both: Shop, spare_dsn: str) -> None:
    """Out of packs that hold several partitions, of long parts, and of copies."""
    for number in (2, 3):
        await store_at_once(both, number)
    async with opened(replace(both.settings, part_bytes_max_in_memory=1024)) as long:
        before = await both.packs()
        await store_at_once(long, 4)
        assert len(await both.packs() - before) == len(FILES)
    await both.client.delete(at(DEFAULT, synthetic.path(3)))
    stored = set(both.query(BY_PARTITION))
    assert len(stored) == 7
    settings = replace(both.settings, database=spare_dsn)
    migrate(spare_dsn)
    for _ in range(3):
        async with opened(settings) as other:
            done = await rebuild(other.database, other.blobs, store_limits(settings))
            assert (done.damaged, done.instance_count) == ([], 7)
            assert set(query(spare_dsn, BY_PARTITION)) == stored
            for name in FILES:
                answer = await answered(other, name, INSTANCE, AS_STORED)
                assert answer.content == FILES[name]
        empty(spare_dsn)
        await both.reclaim()  # the next round reads packs that were copied


BY_PARTITION = """
    SELECT partition_name, study_uid, series_uid, sop_instance_uid, payload_length
    FROM instance JOIN series USING (series_key) JOIN study USING (study_key)
    JOIN partition USING (partition_key)
"""


async def store_at_once(shop: Shop, number: int) -> None:
    """Stores the same UIDs in both, so that they can share a pack."""
    answers = await asyncio.gather(
        *(
            shop.client.post(
                at(name, "/studies"), content=in_chunks(file_of(name, number)), headers=DICOM
            )
            for name in FILES
        )
    )
    assert [answer.status_code for answer in answers] == [200] * len(FILES)


def requests() -> list[tuple[str, str]]:
    """A request to every route that has partitions."""
    values = {"study": STUDY_UID, "series": SERIES_UID, "instance": SOP_UID, "frames": "1"}
    return [
        (method, re.sub(r"{(\w+)(:\w+)?}", lambda name: values.get(name[1], "1"), route.path))
        for route in PARTITIONED_ROUTES
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


@pytest.mark.parametrize(("method", "path"), requests())
async def test_line_137_a_path_without_or_with_a_bad_partition(
    local_ward: Shop, method: str, path: str
) -> None:
    answer = await local_ward.client.request(method, f"/v2{path}")
    assert answer.status_code == 400
    assert answer.text.startswith("PartitionName value is missing in the route segment.")
    for bad in ("a b", "%C3%A4", "a%09", "%2E%2E", "x" * 65, "*"):
        answer = await local_ward.client.request(method, at(bad, path))
        assert answer.status_code == 400, bad
        assert answer.text.startswith("The specified PartitionName is invalid. "), bad
    assert len((await local_ward.client.get("/v2/partitions")).json()) == 1


@pytest.mark.parametrize(
    ("method", "path"), [each for each in requests() if each[0] in ("GET", "DELETE")]
)
async def test_line_137_what_is_not_there_is_not_read(
    local_ward: Shop, method: str, path: str
) -> None:
    for name in ("never", OTHER.upper()):
        answer = await local_ward.client.request(method, at(name, path))
        assert answer.status_code == 400
        assert answer.text == "Specified PartitionName does not exist."
    assert len((await local_ward.client.get("/v2/partitions")).json()) == 1


@pytest.mark.parametrize(("method", "path"), [*requests(), ("GET", "")])
async def test_line_137_while_the_feature_is_off(local_shop: Shop, method: str, path: str) -> None:
    url = at(DEFAULT, path) if path else "/v2/partitions"
    answer = await local_shop.client.request(method, url)
    assert answer.status_code == 400
    assert answer.text == "Data partitions feature is disabled."


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"garbage", DICOM, 409),
        (b"", {"Content-Type": "image/jpeg"}, 415),
        (synthetic.ct(1), DICOM, 200),
    ],
)
async def test_a_store_makes_its_partition_whatever_becomes_of_it(
    local_ward: Shop, body: bytes, headers: dict[str, str], status: int
) -> None:
    for _ in range(2):
        answer = await local_ward.client.post(
            at("New.1", "/studies"), content=body, headers=headers
        )
        assert answer.status_code in (status, 409)
    listed = (await local_ward.client.get("/v1/partitions")).json()
    assert [each["partitionName"] for each in listed] == [DEFAULT, "New.1"]
    search = await local_ward.client.get(at("New.1", "/studies"))
    assert search.status_code == (200 if status == 200 else 204)


async def test_many_stores_at_once_make_one_partition(local_ward: Shop) -> None:
    answers = await asyncio.gather(
        *(
            local_ward.client.post(at("New", "/studies"), content=synthetic.ct(n), headers=DICOM)
            for n in range(1, 31)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len((await local_ward.client.get("/v2/partitions")).json()) == 2


async def test_what_was_stored_before_is_in_the_default_partition(dsn: str, tmp_path: Path) -> None:
    settings = Settings(database=dsn, data=tmp_path)
    async with opened(settings) as shop:
        await shop.store([1])
    async with opened(replace(settings, partitions=True)) as shop:
        answer = await answered(shop, DEFAULT, INSTANCE, AS_STORED)
        assert answer.content == synthetic.ct(1)


async def test_paths_are_matched_in_any_case_but_names_are_not(both: Shop) -> None:
    for path in (f"/V2/Partitions/{OTHER}/Studies/{STUDY_UID}/METADATA/", "/v2/PARTITIONS/"):
        assert (await both.client.get(path)).status_code == 200
    for path in (f"/v2/partitions/{OTHER}", at(OTHER, "/changefeed"), at(OTHER, "/nothing")):
        answer = await both.client.get(path)
        assert (answer.status_code, answer.content) == (404, b"")
    answer = await both.client.patch(at(OTHER, STUDY))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST, PUT"


async def test_a_process_remembers_no_more_than_its_limit(
    both: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "PARTITIONS_CACHED_MAX", 1)
    both.origin.partitions._known.clear()
    for name in [*FILES, *FILES]:
        assert (await answered(both, name, INSTANCE, AS_STORED)).content == FILES[name]
        assert len(both.origin.partitions._known) == 1


@pytest.fixture
async def local_ward(dsn: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """One on local files, for what no backend changes."""
    async with opened(Settings(database=dsn, data=tmp_path, partitions=True)) as shop:
        yield shop
