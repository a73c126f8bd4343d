"""Health: whether the database and the blob store answer now. Outside the versions, no login."""

import asyncio
from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from longshore.dicomweb.origin import origin_of
from longshore.errors import LongshoreError

CHECK_TIMEOUT_S = 5.0  # probes of orchestrators give up after a few seconds
HEALTHY, UNHEALTHY = "Healthy", "Unhealthy"


async def health_check(request: Request) -> Response:
    """Answers 200 if the service can serve, else 503; names what fails, not why."""
    origin = origin_of(request)
    names = ("database", "blobs")
    statuses = await asyncio.gather(_status(origin.database.check()), _status(origin.blobs.check()))
    overall = HEALTHY if all(status == HEALTHY for status in statuses) else UNHEALTHY
    details = [
        {"name": name, "status": status} for name, status in zip(names, statuses, strict=True)
    ]
    body = {"overallStatus": overall, "details": details}
    return JSONResponse(
        body, 200 if overall == HEALTHY else 503, headers={"Cache-Control": "no-store"}
    )


async def _status(check: Awaitable[None]) -> str:
    try:
        await asyncio.wait_for(check, CHECK_TIMEOUT_S)
    except (LongshoreError, OSError, TimeoutError):
        return UNHEALTHY
    return HEALTHY


health_routes = [Route("/health/check", health_check)]
