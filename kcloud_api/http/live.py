"""Serves an ASGI application from a thread of this process: one socket, a start that means it answers, a
stop that takes seconds. `kcloud up`, a single-process `kcloud-api` and the functional tests use it."""

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from kcloud_api.http.head import BoundedHead
from kcloud_common.errors import PermanentError

BACKLOG = 2048
GRACE_SECONDS = 2
"""What requests under way get at shutdown. Long polls end then; whoever waits asks again."""
KEEP_ALIVE_SECONDS = 75
"""Longer than any usual client keeps an idle connection: the side that asks must be the one that closes."""


class PortInUse(PermanentError):
    code = "port_in_use"


def listen(host: str, port: int) -> socket.socket:
    """Take the port (0: any) now, so that a clash is known before anything was started. Raises PortInUse."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise PortInUse(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    # Connections inherit it. asyncio would set it only on sockets that were made with their protocol's
    # number; without it an answer's body waits 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def local_url(listener: socket.socket) -> str:
    """Where this machine reaches it: a wildcard address is its loopback."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _config(app: ASGIApp) -> uvicorn.Config:
    """How kcloud runs uvicorn, wherever it does: logging and access lines are ours."""
    return uvicorn.Config(
        app,
        http=BoundedHead,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


class Server(uvicorn.Server):
    """Says when it serves, and when it is about to stop (so that held requests can be let go)."""

    def __init__(
        self, app: ASGIApp, *, serving: Callable[[], None], stopping: Callable[[], None] | None = None
    ) -> None:
        super().__init__(_config(app))
        self._serving = serving
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._serving()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._stopping is not None:
            self._stopping()
        await super().shutdown(sockets)


class LiveServer:
    """One application behind one listening socket. `url` has no trailing slash. `stopping` is called before
    the server waits for the requests under way."""

    def __init__(
        self, app: ASGIApp, listener: socket.socket, *, stopping: Callable[[], None] | None = None
    ) -> None:
        self._listener = listener
        self._serving = threading.Event()
        self._server = Server(app, serving=self._serving.set, stopping=stopping)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="http-server", daemon=True
        )
        self.url = local_url(listener)

    def start(self) -> None:
        """Return once requests are answered."""
        self._thread.start()
        while not self._serving.wait(0.1):
            if not self._thread.is_alive():
                raise PermanentError("The HTTP server did not start; its log says why.")

    def close(self) -> None:
        """Stop within about GRACE_SECONDS; safe to call twice, and before `start`."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(GRACE_SECONDS + 5)
        self._listener.close()
