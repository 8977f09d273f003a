"""Counts and times requests for Prometheus by service, method and status: few labels, no paths, no ids."""

import time
from functools import cache

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("kcloud_http_requests", "Requests answered.", ("service", "method", "status"))
SECONDS = Histogram("kcloud_http_request_seconds", "Time to the end of an answer.", ("service", "method"))
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """The outermost layer: every answer is counted, also those that no service gave."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            # Starlette answers 500 and then raises on, for servers that want to log: ours has logged it.
            if not status:
                raise
        finally:
            service = str(scope["state"].get("service", "root"))
            method = scope["method"] if scope["method"] in METHODS else "other"
            _requests(service, method, status).inc()
            _seconds(service, method).observe(time.perf_counter() - started)


@cache
def _requests(service: str, method: str, status: int) -> Counter:
    """Looked up once: there are few, for there are no labels that a client could make up."""
    return REQUESTS.labels(service, method, str(status))


@cache
def _seconds(service: str, method: str) -> Histogram:
    return SECONDS.labels(service, method)


def exposition() -> Response:
    """What this process has measured, in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
