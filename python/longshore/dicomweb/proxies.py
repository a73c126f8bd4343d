"""What proxies say of the request that they were sent: RFC 7239, and the X-Forwarded headers.

Only a trusted proxy is believed. It is the one whose connection this is; what it passes on of
proxies before it, or of the user agent, is its own affair: the first word counts.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCHEME = re.compile(r"https?")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"/?[A-Za-z0-9._~-]{1,64}(?:/[A-Za-z0-9._~-]{1,64}){0,7}/?")
# A parameter of Forwarded: a token, or a quoted string (RFC 7239 4).
_PAIR = re.compile(r'\s*([A-Za-z]+)=(?:"([^"\\]*)"|([^",;\s]*))\s*(;|,|$)')
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a proxy was asked; empty where it does not say, or nothing of use.

    Attributes:
        scheme: `http` or `https`.
        host: With the port if there is one.
        prefix: Path before the one that reached us, without slashes around it.
    """

    scheme: str = ""
    host: str = ""
    prefix: str = ""


def forwarded(request: Request, trusted: Sequence[Network]) -> Forwarded:
    """Returns what a trusted proxy says; nothing if the peer is none.

    `Forwarded` outranks `X-Forwarded-Proto` and `-Host`; only `X-Forwarded-Prefix` has a path.
    """
    if not _is_trusted(request, trusted):
        return Forwarded()
    pairs = _first_element(",".join(request.headers.getlist("forwarded")))
    scheme = _of_use(pairs.get("proto", ""), _SCHEME) or _x_forwarded(request, "proto", _SCHEME)
    host = _of_use(pairs.get("host", ""), _HOST) or _x_forwarded(request, "host", _HOST)
    return Forwarded(scheme, host, _x_forwarded(request, "prefix", _PREFIX).strip("/"))


def _is_trusted(request: Request, trusted: Sequence[Network]) -> bool:
    if request.client is None:
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in network for network in trusted)


def _first_element(text: str) -> dict[str, str]:
    """Reads the first element of a `Forwarded` list; {} if it cannot be read."""
    pairs: dict[str, str] = {}
    at = 0
    while match := _PAIR.match(text, at):
        name, quoted, token, delimiter = match.groups()
        pairs.setdefault(name.lower(), token if quoted is None else quoted)
        if delimiter != ";":
            return pairs
        at = match.end()
    return {}


def _x_forwarded(request: Request, name: str, pattern: re.Pattern[str]) -> str:
    text = request.headers.get(f"x-forwarded-{name}", "").partition(",")[0].strip()
    return _of_use(text, pattern)


def _of_use(text: str, pattern: re.Pattern[str]) -> str:
    return text if pattern.fullmatch(text) else ""
