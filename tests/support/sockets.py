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
