"""Chooses the blob backend by one text."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from longshore.blobs.store import BlobStore

DEFAULT_CONTAINER = "longshore"

FORMS = (
    "local, file:///folder, https://account.blob.core.windows.net/container, or an Azure connection"
    " string (DefaultEndpointsProtocol=…), optionally with Container=name"
)


async def open_blob_store(location: str, *, data_folder: Path) -> BlobStore:
    """Opens the blob store that `location` describes.

    Args:
        location: `local` for a folder below the data folder, or another of `FORMS`.

    Raises:
        ValueError: The text has none of these forms.
        Unavailable: The storage does not answer, or cannot be written to.
    """
    # The Azure SDK takes half a second to import; local files do without.
    if location == "local":
        return _local(data_folder / "blobs")
    if location.startswith("file://"):
        return _local(Path(unquote(urlsplit(location).path)))
    if location.startswith("https://"):
        return await _by_url(location)
    if "AccountName=" in location or location.startswith("DefaultEndpointsProtocol="):
        return await _by_connection_string(location)
    msg = f"--blobs takes {FORMS}"
    raise ValueError(msg)


def _local(root: Path) -> BlobStore:
    from longshore.blobs.local import LocalBlobStore

    return LocalBlobStore(root)


async def _by_url(location: str) -> BlobStore:
    from longshore.blobs.azure import AzureBlobStore

    account_url, _, container = location.rstrip("/").rpartition("/")
    if account_url == "https:/":
        account_url, container = location.rstrip("/"), DEFAULT_CONTAINER
    return await AzureBlobStore.from_url(account_url, container=container)


async def _by_connection_string(location: str) -> BlobStore:
    from longshore.blobs.azure import AzureBlobStore

    fields = [field for field in location.split(";") if field]
    containers = [field.partition("=")[2] for field in fields if field.startswith("Container=")]
    text = ";".join(field for field in fields if not field.startswith("Container="))
    container = containers[0] if containers else DEFAULT_CONTAINER
    return await AzureBlobStore.from_connection_string(text, container=container)
