"""HTTP to the control plane: one connection pool, one TLS context, statuses turned into errors.

KcloudError
|- Unavailable           no answer, 5xx, 429: try again, touch nothing       (kcloud_common)
|- Unauthorised          our credential or token is refused: guests stay, the operator must act
|- Refused               any other 4xx: asking again gives the same answer
|- Replaced              another agent reports for this host: stop acting
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from functools import lru_cache

import httpx
from pydantic import ValidationError

from kcloud_common.errors import KcloudError, PermanentError, Unavailable

CONNECT = 5.0
ANSWER = 30.0
"""Seconds for an answer that is not held open on purpose."""


class Unauthorised(KcloudError):
    code = "unauthorised"


class Refused(PermanentError):
    code = "refused_by_control_plane"


@lru_cache(maxsize=4)
def _tls(ca_file: str) -> ssl.SSLContext:
    """One per process: reading the system's certificates costs 20 ms and megabytes."""
    return ssl.create_default_context(cafile=ca_file or None)


@lru_cache(maxsize=1)
def _no_tls() -> ssl.SSLContext:
    """Trusts nobody. A client that only speaks plain http would otherwise make a context of its own."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def connect(api_url: str, ca_file: str = "") -> httpx.Client:
    """A pool to one control plane; nothing is opened before the first request."""
    verify = _tls(ca_file) if api_url.startswith("https:") else _no_tls()
    return httpx.Client(
        base_url=api_url,
        verify=verify,
        timeout=httpx.Timeout(ANSWER, connect=CONNECT),
        headers={"Accept-Encoding": "identity", "User-Agent": "kcloud-compute"},
        trust_env=False,  # a proxy meant for somebody's browser must not see this host's secret
    )


def ask(client: httpx.Client, request: httpx.Request) -> bytes:
    """The body of a 2xx answer."""
    with reached():
        response = client.send(request)
    check(response)
    return response.content


def check(response: httpx.Response) -> None:
    """Raise what a status means. The response must have been read."""
    status = response.status_code
    if response.is_success:
        return
    words = f"{response.request.method} {response.request.url.path}: {status} {response.text[:300]}"
    if status in (401, 403):
        raise Unauthorised(words, status=status)
    if status >= 500 or status in (408, 425, 429):
        raise Unavailable(words, status=status)
    raise Refused(words, status=status)


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """Whatever goes wrong on the wire is Unavailable."""
    try:
        yield
    except (httpx.TransportError, httpx.StreamError, OSError) as error:
        raise Unavailable(f"the control plane does not answer: {error or type(error).__name__}") from error


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """An answer of another shape is that of no control plane we know (a proxy's page, an older release)."""
    try:
        yield
    except ValidationError as error:
        # Neither the input nor the cause: an assignment carries what is the tenants' own business.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unavailable(f"the control plane's answer is not understood: {where}: {first['msg']}") from None


class HeldConnection:
    """Knows the socket of the request that is held open: shutting it down is the only way to end a read
    from another thread. Its client must serve no other request."""

    def __init__(self) -> None:
        self._stream: object = None

    def trace(self, event: str, info: Mapping[str, object]) -> None:
        """For httpx's request extension `trace`."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def cut(self) -> None:
        info = getattr(self._stream, "get_extra_info", None)
        connection = info("socket") if info else None
        if isinstance(connection, socket.socket):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
