"""Store bodies as clients write them."""

import secrets
from collections.abc import AsyncIterator, Sequence


def multipart(parts: Sequence[bytes], *, boundary: str | None = None) -> tuple[str, bytes]:
    """Returns content type and body of a Store request with n parts."""
    boundary = boundary or secrets.token_hex(16)
    chunks: list[bytes] = []
    for part in parts:
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
        chunks += [head.encode(), part, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return content_type, b"".join(chunks)


async def in_chunks(body: bytes, *, chunk_bytes: int = 1000) -> AsyncIterator[bytes]:
    """Yields a body as a slow network does, so that a long part is not seen whole at once."""
    for offset in range(0, len(body), chunk_bytes):
        yield body[offset : offset + chunk_bytes]
