"""Blobs in Azure Blob Storage, or in what speaks its protocol.

A pack is a block blob: one that is whole goes up in one call, one that still arrives is staged
block by block and committed once.
"""

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobClient, ContainerClient
from typing_extensions import Buffer, override

from longshore.blobs.gathered import Gathered, check_head
from longshore.blobs.names import checked
from longshore.blobs.store import BlobFacts, BlobStore, BlobWriter
from longshore.errors import BlobNotFound, Conflict, Unavailable
from longshore.extent import Extent

BLOCK_BYTES = 8 * 1024**2
"""One staged block, in bytes; 50,000 of them make 390 GiB."""
BLOCKS_UNDER_WAY_MAX = 4
"""Blocks of one blob that are sent at once: 32 MiB of memory."""
READ_BYTES = 1024**2
"""What one ranged read asks for while streaming, in bytes."""
RETRY_COUNT_MAX = 3
TIMEOUT_S = 30

_PROBE = "probe"


class AzureBlobStore(BlobStore):
    """The backend for Azure Blob Storage."""

    def __init__(
        self, container: ContainerClient, credential: DefaultAzureCredential | None = None
    ) -> None:
        self._container = container
        self._credential = credential

    @classmethod
    async def from_connection_string(cls, text: str, *, container: str) -> "AzureBlobStore":
        """Opens a container by an account's connection string; makes it if it is missing."""
        client = ContainerClient.from_connection_string(text, container, **_client_options())
        return await _opened(cls(client), client)

    @classmethod
    async def from_url(cls, account_url: str, *, container: str) -> "AzureBlobStore":
        """Opens a container as the identity this process runs under (azure-identity)."""
        credential = DefaultAzureCredential()
        client = ContainerClient(account_url, container, credential=credential, **_client_options())
        return await _opened(cls(client, credential), client)

    @override
    async def put(self, name: str, buffers: Sequence[Buffer]) -> None:
        await _upload(self._blob(name), name, buffers)

    @override
    async def open_writer(self, name: str, *, head_length: int) -> BlobWriter:
        return _AzureWriter(name, self._blob(name), head_length)

    @override
    async def read(self, extent: Extent) -> bytes:
        pieces = [piece async for piece in self.stream(extent, chunk_bytes=extent.length or 1)]
        return b"".join(pieces)

    @override
    async def stream(self, extent: Extent, *, chunk_bytes: int) -> AsyncIterator[bytes]:
        blob = self._blob(extent.blob)
        if extent.length == 0:
            with _translated(extent.blob):
                await blob.get_blob_properties()
            return
        offset = extent.offset
        while offset < extent.end:
            length = min(max(chunk_bytes, READ_BYTES), extent.end - offset)
            chunk = await self._range(blob, extent.blob, offset, length)
            offset += length
            for begin in range(0, length, chunk_bytes):
                yield chunk[begin : begin + chunk_bytes]

    async def _range(self, blob: BlobClient, name: str, offset: int, length: int) -> bytes:
        with _translated(name):
            download = await blob.download_blob(offset=offset, length=length)
            chunk = await download.readall()
        if len(chunk) != length:
            msg = f"the blob {name} ends {length - len(chunk)} bytes early; restore it"
            raise Unavailable(msg)
        return chunk

    @override
    async def delete(self, name: str) -> None:
        with _translated(name), contextlib.suppress(ResourceNotFoundError):
            await self._blob(name).delete_blob()

    @override
    async def list(self, prefix: str) -> AsyncIterator[BlobFacts]:
        with _translated(prefix):
            async for properties in self._container.list_blobs(name_starts_with=prefix):
                if properties.name != _PROBE:
                    yield BlobFacts(properties.name, properties.size, properties.last_modified)

    @override
    async def sweep_unfinished(self, *, age_s_min: float) -> int:
        # Uncommitted blocks cannot be listed across a container; Azure drops them after a week.
        return 0

    @override
    async def check(self) -> None:
        with _translated(_PROBE):
            await self._blob(_PROBE).upload_blob(b"probe", overwrite=True)

    @override
    async def close(self) -> None:
        await self._container.close()
        if self._credential is not None:
            await self._credential.close()

    def _blob(self, name: str) -> BlobClient:
        return self._container.get_blob_client(checked(name))


async def _opened(store: AzureBlobStore, container: ContainerClient) -> AzureBlobStore:
    """Makes the container if it is missing; closes everything if that fails."""
    try:
        with _translated(container.container_name), contextlib.suppress(ResourceExistsError):
            await container.create_container()
    except BaseException:
        await store.close()
        raise
    return store


async def _upload(blob: BlobClient, name: str, buffers: Sequence[Buffer]) -> None:
    """Sends a whole blob."""
    with _translated(name):
        # As a file it is sent piece by piece, which leaves the loop to others in between.
        data = io.BytesIO(b"".join(buffers))
        await blob.upload_blob(data, overwrite=False, max_concurrency=BLOCKS_UNDER_WAY_MAX)


class _AzureWriter(BlobWriter):
    """Staged blocks that are no blob yet."""

    def __init__(self, name: str, blob: BlobClient, head_length: int) -> None:
        self._name = name
        self._blob = blob
        self._head_length = head_length
        self._gathered = Gathered(bytes_min=BLOCK_BYTES)
        self._block_ids: list[str] = []
        self._under_way: set[asyncio.Task[None]] = set()

    @override
    async def write(self, buffers: Sequence[Buffer]) -> None:
        if self._gathered.add(buffers):
            await self._flush()

    @override
    async def commit(self, *, head: bytes, tail: Sequence[Buffer]) -> None:
        check_head(head, length=self._head_length)
        self._gathered.add(tail)
        if not self._block_ids:
            await _upload(self._blob, self._name, [head, *self._gathered.take()])
            return
        await self._flush()
        head_ids = [_block_id(0)] if head else []
        if head:
            await self._begin(_block_id(0), head)
        await self._settle()
        blocks = [BlobBlock(block_id) for block_id in head_ids + self._block_ids]
        with _translated(self._name):
            await self._blob.commit_block_list(blocks, match_condition=MatchConditions.IfMissing)

    @override
    async def abort(self) -> None:
        # What is staged is invisible; Azure drops it after a week.
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()
        self._gathered.take()

    async def _flush(self) -> None:
        data = b"".join(self._gathered.take())
        if data:
            block_id = _block_id(len(self._block_ids) + 1)
            self._block_ids.append(block_id)
            await self._begin(block_id, data)

    async def _begin(self, block_id: str, data: bytes) -> None:
        """Sends a block; waits while too many are under way."""
        while len(self._under_way) >= BLOCKS_UNDER_WAY_MAX:
            done, self._under_way = await asyncio.wait(
                self._under_way, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        self._under_way.add(asyncio.create_task(self._stage(block_id, data)))

    async def _settle(self) -> None:
        under_way, self._under_way = self._under_way, set()
        await asyncio.gather(*under_way)

    async def _stage(self, block_id: str, data: bytes) -> None:
        with _translated(self._name):
            await self._blob.stage_block(block_id, io.BytesIO(data), length=len(data))


def _block_id(number: int) -> str:
    """Block ids of one blob have one length."""
    return base64.b64encode(f"{number:08d}".encode()).decode()


def _client_options() -> dict[str, Any]:
    return {
        "max_single_put_size": BLOCK_BYTES,
        "max_block_size": BLOCK_BYTES,
        "max_single_get_size": BLOCK_BYTES,
        "max_chunk_get_size": BLOCK_BYTES,
        "retry_total": RETRY_COUNT_MAX,
        "connection_timeout": TIMEOUT_S,
        "read_timeout": TIMEOUT_S,
        "logging_enable": False,
    }


@contextlib.contextmanager
def _translated(name: str) -> Generator[None]:
    """Turns the SDK's errors into ours."""
    try:
        yield
    except ResourceNotFoundError as error:
        msg = f"no blob {name}"
        raise BlobNotFound(msg) from error
    except (ResourceExistsError, ResourceModifiedError) as error:
        msg = f"the blob {name} is there already"
        raise Conflict(msg) from error
    except (AzureError, TimeoutError) as error:
        msg = "the blob storage does not answer; check --blobs and that the account is reachable"
        raise Unavailable(msg) from error
