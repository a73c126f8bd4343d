"""Clients that a library would not be: they stop, trickle, or never read."""

import socket

from tests.support.service import Service


def connect(service: Service) -> socket.socket:
    """Returns a connection that waits at most 30 seconds for anything."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


def get_head(path: str, *, accept: str = "application/dicom") -> bytes:
    """Returns a whole GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode()


def store_head(length: int, content_type: str = "application/dicom") -> bytes:
    """Returns the head of a Store request whose body has so many bytes."""
    return (
        "POST /v2/studies HTTP/1.1\r\nHost: x\r\nAccept: application/dicom+json\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def status_of(connection: socket.socket) -> int:
    """Reads the first bytes of an answer; returns its status."""
    start = b""
    while len(start) < 12:
        more = connection.recv(4096)
        assert more, f"the connection ended behind {start!r}"
        start += more
    return int(start.split(b" ")[1])


def is_ended(connection: socket.socket) -> bool:
    """Waits until the other end has nothing more to say; False if it still holds the connection."""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def http2_get(path: str) -> bytes:
    """Returns all that a client says that asks by HTTP/2 and then allows no further byte.

    (RFC 9113: preface, SETTINGS without windows beyond 65,535 bytes, HEADERS that end the stream.)
    """
    fields = b"\x82\x86" + _field(b"\x04", path) + _field(b"\x01", "x")
    fields += _field(b"\x0f\x04", "application/dicom")  # accept, number 19 of HPACK's table
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"") + _frame(1, 5, 1, fields)


def _field(name: bytes, value: str) -> bytes:
    """A field without indexing, whose name is in the table (RFC 7541 5.1 and 6.2.2)."""
    assert len(value) < 127 + 128, "longer ones have more bytes"
    length = [len(value)] if len(value) < 127 else [127, len(value) - 127]
    return name + bytes(length) + value.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload
