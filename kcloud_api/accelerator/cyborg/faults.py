"""The shape in which Cyborg answers errors: a text of JSON inside JSON, as WSME and its clients have it."""

import json
from http import HTTPStatus

from fastapi.responses import JSONResponse, Response


def cyborg_shape(status: HTTPStatus, code: str, message: str, request_id: str) -> Response:
    side = "Server" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Client"
    inner = {"faultcode": side, "faultstring": message, "debuginfo": None}
    return JSONResponse({"error_message": json.dumps(inner)}, status.value)
