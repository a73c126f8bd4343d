"""Deletion is real: behind the retention the bytes are in no blob any more, packs included."""

import asyncio
import hashlib
import io
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pydicom
import pytest

from longshore.extent import Extent
from tests.services.shop import AT_ONCE, Shop, opened
from tests.support import synthetic
from tests.support.stow import in_chunks, multipart

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

RETENTION_S = 3.0
RULES = replace(AT_ONCE, deleted_retention_s=RETENTION_S)
ROUNDS_MAX = 6
LIVE, DEAD = range(1, 11), range(11, 14)


def pixels(number: int) -> bytes:
    """Bytes that occur nowhere else."""
    return b"".join(hashlib.sha512(b"%d/%d" % (number, turn)).digest() for turn in range(64))


def file_of(number: int) -> bytes:
    """An instance with such pixels, and a patient's name and a comment of its own."""
    dataset = pydicom.dcmread(io.BytesIO(synthetic.ct(number, rows=32)))
    dataset.PixelData = pixels(number)[: 32 * 32 * 2]
    dataset.ImageComments = comment(number)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def comment(number: int) -> str:
    return f"remark-{hashlib.sha256(b'%d' % number).hexdigest()}"


async def store(shop: Shop, *numbers: int) -> None:
    """Stores instances in one request."""
    content_type, body = multipart([file_of(number) for number in numbers])
    answer = await shop.client.post(
        "/v2/studies", content=in_chunks(body), headers={"Content-Type": content_type}
    )
    assert answer.status_code == 200, answer.text
    shop.stored |= {synthetic.path(number): file_of(number) for number in numbers}


async def found_in(shop: Shop, number: int) -> list[str]:
    """Blobs that hold an instance, or a part of it, or its metadata.

    The storage's own files are read, not only what it lists: unfinished ones count.
    """
    marks = [pixels(number)[offset : offset + 64] for offset in range(0, 2048, 64)]
    marks += [comment(number).encode(), file_of(number)[200:264]]
    contents = {
        facts.name: await shop.blobs.read(Extent(facts.name, 0, facts.length))
        async for facts in shop.blobs.list("")
    }
    folder = shop.settings.data / "blobs"
    contents |= {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return [
        name
        for name, content in contents.items()
        if any(mark in text for mark in marks for text in [content, *metadata_in(content)])
    ]


def metadata_in(content: bytes) -> list[bytes]:
    """The DICOM JSON of a pack, which lies deflated in it; of anything else nothing."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return []
    with zipfile.ZipFile(io.BytesIO(content)) as pack:
        return [pack.read("metadata.json")]


async def among_others(shop: Shop) -> None:
    await store(shop, *LIVE, *DEAD)
    assert len(await shop.packs()) == 1


async def alone(shop: Shop) -> None:
    await store(shop, *LIVE)
    await store(shop, *DEAD)
    assert len(await shop.packs()) == 2


async def merged(shop: Shop) -> None:
    for number in (*LIVE, *DEAD):
        await store(shop, number)
    await shop.reclaim()
    await shop.reclaim()
    assert len(await shop.packs()) == 1


async def long(shop: Shop) -> None:
    """Each in a pack of its own, written while it arrived."""
    async with opened(replace(shop.settings, part_bytes_max_in_memory=1024)) as other:
        other.stored = shop.stored
        await store(other, *LIVE, *DEAD)
    assert len(await shop.packs()) == len(LIVE) + len(DEAD)


@pytest.mark.parametrize("arrive", [among_others, alone, merged, long])
async def test_behind_the_retention_no_blob_holds_a_deleted_instance(
    shop: Shop, spare_dsn: str, arrive: Callable[[Shop], Awaitable[None]]
) -> None:
    await arrive(shop)
    assert all([await found_in(shop, number) for number in (*LIVE, *DEAD)])
    for number in DEAD:
        await shop.delete(synthetic.path(number))
    await shop.reclaim(RULES)
    assert all([await found_in(shop, number) for number in DEAD]), "they stay for the retention"
    await asyncio.sleep(RETENTION_S)
    for _ in range(ROUNDS_MAX):
        if (await shop.reclaim(RULES)).is_nothing:
            await asyncio.sleep(RETENTION_S / 2)
    assert [await found_in(shop, number) for number in DEAD] == [[]] * len(DEAD)
    assert all([await found_in(shop, number) for number in LIVE])
    await shop.check(spare_dsn)  # the others are byte-equal, from the packs alone too
