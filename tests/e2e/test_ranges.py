"""Parts of bodies (RFC 9110 14), as viewers that show an image while it arrives ask for them."""

import random
from collections.abc import Iterator

import httpx
import pytest

from tests.support import synthetic
from tests.support.corpus import CORPUS
from tests.support.service import Service
from tests.support.stow import multipart

STUDY_UID, SERIES_UID, SOP_UID = synthetic.uids(1)
STUDY = f"/v2/studies/{STUDY_UID}"
INSTANCE = f"{STUDY}/series/{SERIES_UID}/instances/{SOP_UID}"
OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
BODIES = {
    "an instance alone": (INSTANCE, "application/dicom; transfer-syntax=*"),
    "a study in parts": (STUDY, 'multipart/related; type="application/dicom"; transfer-syntax=*'),
    "a frame alone": (f"{INSTANCE}/frames/1", "application/octet-stream"),
    "frames in parts": (f"{INSTANCE}/frames/1,1,1", OCTETS),
    "a transcoded frame": (f"{INSTANCE}/frames/1", "image/jls"),
}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        # One long enough to be read in chunks.
        files = [synthetic.ct(1, rows=16), synthetic.ct(2, rows=1024), synthetic.ct(3, rows=90)]
        content_type, body = multipart(files)
        headers = {"Content-Type": content_type}
        assert client.post("/v2/studies", content=body, headers=headers).status_code == 200
        yield client


def get(client: httpx.Client, body: str, range_text: str, **more: str) -> httpx.Response:
    path, accept = BODIES[body]
    headers = {"Accept": accept, "Range": range_text, **more}
    return client.get(path, headers=headers)


@pytest.mark.parametrize("body", BODIES)
def test_every_part_is_the_part_of_the_whole(client: httpx.Client, body: str) -> None:
    whole = get(client, body, "bytes=0-")
    assert whole.status_code == 206
    length = len(whole.content)
    assert whole.headers["content-range"] == f"bytes 0-{length - 1}/{length}"
    assert whole.headers["accept-ranges"] == "bytes"
    chance = random.Random(1)  # noqa: S311
    cuts = [sorted(chance.sample(range(length), 2)) for _ in range(40)]
    cuts += [[0, 0], [length - 1, length - 1], [0, length - 1]]
    for first, last in cuts:
        part = get(client, body, f"bytes={first}-{last}")
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{length}"
        assert part.headers["content-length"] == str(last - first + 1)
        assert part.content == whole.content[first : last + 1]
    assert get(client, body, "bytes=-7").content == whole.content[-7:]
    assert get(client, body, f"bytes=5-{length * 2}").content == whole.content[5:]
    assert get(client, body, f"bytes=-{length * 2}").content == whole.content


@pytest.mark.parametrize("body", BODIES)
def test_what_is_not_there(client: httpx.Client, body: str) -> None:
    length = len(get(client, body, "bytes=0-").content)
    for text in (f"bytes={length}-", f"bytes={length}-{length + 5}", "bytes=-0"):
        answer = get(client, body, text)
        assert answer.status_code == 416, text
        assert answer.headers["content-range"] == f"bytes */{length}"
        assert str(length) in answer.text


@pytest.mark.parametrize(
    "text", ["bytes=5-3", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,4-5", "0-1"]
)
def test_what_is_no_range_is_answered_in_full(client: httpx.Client, text: str) -> None:
    answer = get(client, "a frame alone", text)
    assert answer.status_code == 200
    assert len(answer.content) == 16 * 16 * 2


def test_a_part_of_another_entity_is_not_continued(client: httpx.Client) -> None:
    tag = get(client, "an instance alone", "bytes=0-9").headers["etag"]
    assert get(client, "an instance alone", "bytes=10-19", **{"If-Range": tag}).status_code == 206
    other = get(client, "an instance alone", "bytes=10-19", **{"If-Range": '"other"'})
    assert other.status_code == 200
    assert other.content == synthetic.ct(1, rows=16)


def test_as_cornerstone_asks(client: httpx.Client) -> None:
    first = get(client, "a study in parts", "bytes=0-65535")
    length = int(first.headers["content-range"].partition("/")[2])
    rest = get(client, "a study in parts", f"bytes={len(first.content)}-")
    assert len(first.content) + len(rest.content) == length
    assert rest.headers["content-type"] == first.headers["content-type"]
    boundary = first.headers["content-type"].partition("boundary=")[2].partition(";")[0]
    assert (first.content + rest.content).endswith(f"\r\n--{boundary}--\r\n".encode())


def test_video_seeks(client: httpx.Client) -> None:
    [file] = (CORPUS / "made_here").glob("*.dcm")
    headers = {"Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    stored = client.post("/v2/studies", content=file.read_bytes(), headers=headers)
    url = stored.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    headers = {"Accept": "video/mp4"}
    whole = client.get(f"{url}/frames/1", headers=headers)
    assert whole.headers["content-type"].startswith("video/mp4")
    part = client.get(f"{url}/frames/1", headers={**headers, "Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == whole.content[1000:2000]
