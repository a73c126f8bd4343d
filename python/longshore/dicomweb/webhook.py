"""The webhook's requests: CloudEvents 1.0 over HTTP, of the model's event types (its push events).

One event is sent in structured mode, several in batched mode (CloudEvents HTTP binding 3.2, 3.3).
What the model calls dataVersion and metadataVersion are extension attributes here, whose names
CloudEvents has in lower case.
"""

import contextlib
import hashlib
import hmac
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import aiohttp
import orjson

from longshore.dicomweb import urls
from longshore.errors import Unavailable
from longshore.index.changes import Change

CONNECT_S_MAX = 10.0
"""How long the receiver may take to accept a connection, in seconds."""
REQUEST_S_MAX = 30.0
"""How long it may take from there to its answer's header, in seconds."""

EVENT_TYPES: Final[Mapping[str, str]] = {
    "create": "Microsoft.HealthcareApis.DicomImageCreated",
    "delete": "Microsoft.HealthcareApis.DicomImageDeleted",
    "update": "Microsoft.HealthcareApis.DicomImageUpdated",
}
_ONE = "application/cloudevents+json; charset=utf-8"
_SEVERAL = "application/cloudevents-batch+json; charset=utf-8"
SIGNATURE_HEADER = "X-Hub-Signature-256"
"""`sha256=` and the hex digits of the body's HMAC-SHA256, as GitHub and others sign."""


@dataclass(frozen=True, slots=True)
class EventSource:
    """Who tells.

    Attributes:
        host_name: The service's name, with its port if it is not the usual one.
        is_partitioned: Whether paths name a partition.
    """

    host_name: str
    is_partitioned: bool


class Receiver:
    """A URL that takes events."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        secret: str,
        source: EventSource,
        is_batched: bool,
    ) -> None:
        """Begins.

        Args:
            secret: Signs each body; empty: none is signed.
            is_batched: Whether all events come in batches, be it of one.
        """
        self._session = session
        self._url = url
        self._secret = secret.encode()
        self._source = source
        self._is_batched = is_batched

    async def deliver(self, changes: Sequence[Change]) -> None:
        """Sends changes, oldest first.

        Raises:
            Unavailable: The receiver did not take them: no connection, no answer, or none of 2xx.
        """
        events = [event(change, self._source) for change in changes]
        value = events if self._is_batched else events[0]
        body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
        headers = {"Content-Type": _SEVERAL if self._is_batched else _ONE}
        if self._secret:
            digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            headers[SIGNATURE_HEADER] = f"sha256={digest}"
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                http_status = answer.status
        # Their texts may hold the URL, and a URL its password.
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            msg = f"the webhook's receiver does not answer ({type(error).__name__})"
            raise Unavailable(msg) from error
        if not 200 <= http_status < 300:
            msg = f"the webhook's receiver answered {http_status}"
            raise Unavailable(msg)


@contextlib.asynccontextmanager
async def open_receiver(
    url: str, *, secret: str, source: EventSource, is_batched: bool
) -> AsyncGenerator[Receiver]:
    """Yields a receiver, to which one connection is kept."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_S_MAX, sock_connect=CONNECT_S_MAX)
    headers = {"User-Agent": f"longshore/{version('longshore')}"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session:
        yield Receiver(session, url, secret=secret, source=source, is_batched=is_batched)


def event(change: Change, source: EventSource) -> dict[str, Any]:
    """Returns a change as a CloudEvent; the same change is the same event, whoever tells it."""
    service = f"{source.host_name}/v1"
    if source.is_partitioned:
        service += f"/partitions/{change.partition_name}"
    subject = urls.instance_url(
        service, change.study_uid, change.series_uid, change.sop_instance_uid
    )
    name = f"{subject} {change.watermark} {change.changed_at.isoformat()}"
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        "source": f"//{source.host_name}",
        "type": EVENT_TYPES[change.action],
        "subject": subject,
        "time": change.changed_at,
        "datacontenttype": "application/json",
        "dataversion": "1",
        "metadataversion": "1",
        "data": {
            "partitionName": change.partition_name,
            "imageStudyInstanceUid": change.study_uid,
            "imageSeriesInstanceUid": change.series_uid,
            "imageSopInstanceUid": change.sop_instance_uid,
            "serviceHostName": source.host_name,
            "sequenceNumber": change.watermark,
        },
    }
