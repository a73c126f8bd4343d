"""The ZIP file: read back by zipfile, of the length that was announced, ZIP64 where it must be."""

import io
import zipfile

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from longshore.services import zip_format
from longshore.services.retrieve_pieces import CHUNK_BYTES
from longshore.services.zip_format import Entry, directory, placed
from tests.dicomweb.packs import EXPLICIT, JPEG, Stored
from tests.dicomweb.shelf import Shelf

pytestmark = pytest.mark.anyio

ZIP = {"accept": "application/zip"}
PAYLOADS = [b"one", b"", bytes(range(256)) * 5000, b"four", b""]
FILES = [
    Stored(content, {}, series_uid=f"1.2.{n // 3}", sop_instance_uid=f"1.2.3.{n}")
    for n, content in enumerate(PAYLOADS)
]
NAMES = ["S0000001/I0000001", "S0000001/I0000002", "S0000001/I0000003", "S0000002/I0000001",
         "S0000002/I0000002"]  # fmt: skip


async def test_a_study_reads_back(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(*FILES[:2])
    shelf.store(*FILES[2:])
    response = await http.get("/v2/studies/1.2", headers=ZIP)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="1.2.zip"'
    assert response.headers["content-length"] == str(len(response.content))
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.testzip() is None
        assert file.namelist() == [f"IMAGES/{name}" for name in NAMES]
        assert [file.read(name) for name in file.namelist()] == PAYLOADS
    head = await http.head("/v2/studies/1.2", headers=ZIP)
    assert head.headers["content-length"] == str(len(response.content))
    assert "accept-ranges" not in head.headers


async def test_names_follow_the_index_whatever_packs_say(
    http: httpx.AsyncClient, shelf: Shelf
) -> None:
    shelf.store(*FILES[:3])
    shelf.located.reverse()
    response = await http.get("/v2/studies/1.2/series/1.2.0", headers=ZIP)
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.read("IMAGES/S0000001/I0000003") == PAYLOADS[0]
    assert len(shelf.blobs.requests) == 1


async def test_a_long_instance_alone(http: httpx.AsyncClient, shelf: Shelf) -> None:
    content = b"DICM" * CHUNK_BYTES
    shelf.store(Stored(content, {}))
    path = "/v2/studies/1.2/series/1.2.3/instances/1.2.3.4"
    response = await http.get(path, headers=ZIP)
    with zipfile.ZipFile(io.BytesIO(response.content)) as file:
        assert file.testzip() is None
        assert file.read("IMAGES/S0000001/I0000001") == content
    assert shelf.blobs.open_streams == 0


async def test_it_is_asked_for_by_name(http: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.store(Stored(b"a", {}, transfer_syntax_uid=JPEG))
    for accept in ("application/*", "*/*", ""):
        response = await http.get("/v2/studies/1.2", headers={"accept": accept})
        assert response.headers.get("content-type") != "application/zip"
    asked = {"accept": f"application/zip; transfer-syntax={EXPLICIT}"}
    refused = await http.get("/v2/studies/1.2", headers=asked)
    assert refused.status_code == 406
    assert "application/zip" in refused.text


@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=8), data=st.data())
def test_records_of_any_files(lengths: list[int], data: st.DataObject) -> None:
    contents = [bytes([n]) * length for n, length in enumerate(lengths)]
    entries = placed([(b"F%d" % n, len(each)) for n, each in enumerate(contents)])
    crc32s = [data.draw(st.integers(0, 2**32 - 1)) for _ in contents]
    whole = b"".join(
        piece
        for entry, content, crc32 in zip(entries, contents, crc32s, strict=True)
        for piece in (entry.header(), content, entry.descriptor(crc32))
    )
    assert len(whole) == entries[-1].end
    assert len(directory(entries, crc32s)) == len(directory(entries, [0] * len(crc32s)))
    with zipfile.ZipFile(io.BytesIO(whole + directory(entries, crc32s))) as file:
        assert [each.CRC for each in file.infolist()] == crc32s
        assert [each.header_offset for each in file.infolist()] == [e.offset for e in entries]


@pytest.mark.parametrize(
    "files",
    [[(b"A", 5 * 2**30), (b"B", 3)], [(b"A", 2**32 - 2), (b"B", 2**32 - 1), (b"C", 1)]],
)
def test_more_than_4_gib(files: list[tuple[bytes, int]]) -> None:
    entries = placed(files)

    class Sparse(io.BytesIO):
        """The directory, as if the entries were before it."""

        @override
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if whence == 2:
                return super().seek(offset, 2) + entries[-1].end
            return super().seek(max(offset - entries[-1].end, 0)) + entries[-1].end

        @override
        def tell(self) -> int:
            return super().tell() + entries[-1].end

    with zipfile.ZipFile(Sparse(directory(entries, [7] * len(entries)))) as file:
        assert [(each.orig_filename.encode(), each.file_size) for each in file.infolist()] == files
        assert [each.header_offset for each in file.infolist()] == [e.offset for e in entries]
    long = Entry(b"A", 5 * 2**30, 0)
    assert len(long.header()) == 30 + 1 + 20
    assert len(long.descriptor(0)) == 24


def test_very_many_entries() -> None:
    entries = placed([(b"%d" % n, 0) for n in range(70_000)])
    whole = b"".join(each.header() + each.descriptor(0) for each in entries)
    with zipfile.ZipFile(io.BytesIO(whole + directory(entries, [0] * 70_000))) as file:
        assert len(file.infolist()) == 70_000
    assert zip_format.placed([]) == []
