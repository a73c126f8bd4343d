"""Operations (the model's): work in the background that a client asked for."""

from typing import Any
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longshore.dicomweb import urls
from longshore.dicomweb.media_types import JSON
from longshore.dicomweb.origin import origin_of
from longshore.dicomweb.versions import api_version
from longshore.index.operations import Operation, find_operation


async def get_operation(request: Request) -> Response:
    """Tells how far an operation is: 202 while it runs, 200 when it has ended, 404 without body."""
    try:
        operation_id = UUID(request.path_params["operation"])
    except ValueError:
        return Response(status_code=404)
    operation = await find_operation(origin_of(request).database, operation_id)
    if operation is None:
        return Response(status_code=404)
    body = orjson.dumps(_operation(request, operation_id, operation), option=orjson.OPT_UTC_Z)
    if operation.is_running:
        location = {"Location": operation_url(request, operation_id)}
        return Response(body, 202, headers=location, media_type=JSON)
    return Response(body, media_type=JSON)


def operation_url(request: Request, operation_id: UUID) -> str:
    """Returns the URL of an operation."""
    return f"{urls.service_url(request)}/operations/{operation_id.hex}"


def _operation(request: Request, operation_id: UUID, operation: Operation) -> dict[str, Any]:
    """Returns the wire form; v1 has another word for success."""
    is_done_in_v1 = operation.status == "succeeded" and api_version(request) == 1
    tags_url = f"{urls.service_url(request)}/extendedquerytags"
    members: dict[str, Any] = {
        "operationId": operation_id.hex,
        "type": operation.operation_type,
        "createdTime": operation.created_at,
        "lastUpdatedTime": operation.updated_at,
        "status": "completed" if is_done_in_v1 else operation.status,
        "percentComplete": operation.percent_complete,
        "resources": [f"{tags_url}/{path}" for path in operation.paths],
        "results": operation.results,
    }
    return {name: value for name, value in members.items() if value is not None}


operation_routes = [Route("/operations/{operation}", get_operation)]
