"""Builds the FastAPI application of one service: error shape, request ids, the state its routes find."""

import re
from collections.abc import Awaitable, Callable
from uuid import uuid4

from fastapi import FastAPI, Request, Response

from kcloud_api.http import errors

GLOBAL_ID = re.compile(r"^req-[0-9a-fA-F-]{36}$")


def service_app(title: str, shape: errors.Shape) -> FastAPI:
    """An application to which a service adds its routers; the composition root fills `app.state` with
    `database`, `authenticate`, `enforcer` and `conf` (kcloud_api.main)."""
    app = FastAPI(title=title, redirect_slashes=False, docs_url=None, redoc_url=None)
    errors.install(app, shape)

    @app.middleware("http")
    async def request_id(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = request.headers.get("X-OpenStack-Request-ID", "")
        request.state.request_id = given if GLOBAL_ID.match(given) else f"req-{uuid4()}"
        response = await call_next(request)
        response.headers["X-OpenStack-Request-ID"] = request.state.request_id
        return response

    return app
