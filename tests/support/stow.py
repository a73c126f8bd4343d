"""Store bodies as clients write them."""

import secrets
from collections.abc import Sequence


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
