"""Builds the FastAPI application of one service: error shape, request ids, the state its routes find."""

from fastapi import FastAPI

from kcloud_api.http import errors
from kcloud_api.http.edge import LimitedBody, RequestIdentity
from kcloud_api.http.plain import Plain


def service_app(title: str, shape: errors.Shape) -> FastAPI:
    """An application to which a service adds its routers; the composition root fills `app.state` with
    `database`, `authenticate`, `enforcer`, `conf` and `bus` (kcloud_api.main)."""
    # No page describes the API to people without a token.
    app = FastAPI(title=title, redirect_slashes=False, openapi_url=None)
    errors.install(app, shape)
    app.add_middleware(Plain, service=app)
    app.add_middleware(LimitedBody)
    app.add_middleware(RequestIdentity)
    return app
