"""The address to listen on."""

import errno
import ipaddress
import socket

from longshore.errors import LongshoreError


class AddressError(LongshoreError):
    """The address cannot be listened on; the text is one line that says what to do."""


def resolved(host: str, port: int) -> str:
    """Returns the IP address of a host name, or the address itself.

    Raises:
        AddressError: Nothing is known under that name.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        msg = f"the host {host!r} is not known ({error.strerror}); choose another with --host"
        raise AddressError(msg) from error
    return str(found[0][4][0])


def check_address(host: str, port: int) -> None:
    """Raises unless nobody listens there and this process may.

    The workers share the port (SO_REUSEPORT), which would let a second service join them unseen:
    this probe does not share.

    Raises:
        AddressError: The text says why not.
    """
    address = resolved(host, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed ones may linger
        try:
            probe.bind((address, port))
        except OSError as error:
            raise AddressError(_reason(error, host, port)) from error


def _reason(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is taken; "
                "choose another with --port, or stop the process that listens there"
            )
        case errno.EACCES:
            return f"port {port} is for root only; choose one above 1023 with --port"
        case _:
            return (
                f"{host} is no address of this machine ({error.strerror}); choose one with --host"
            )


def url(host: str, port: int) -> str:
    """Returns a URL that works on this machine."""
    address = reachable(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def reachable(host: str) -> str:
    """Returns the loopback address for a host that means every network."""
    try:
        if ipaddress.ip_address(host).is_unspecified:
            return "::1" if ":" in host else "127.0.0.1"
    except ValueError:
        pass
    return host
