"""The server itself: it answers at once, and bounds what it keeps of a request that nobody has seen yet."""

import select
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from kcloud_api.http.head import LARGEST_HEAD
from kcloud_api.http.live import LiveServer, listen


async def sizes(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes of its body."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(f"<{size}>")(scope, receive, send)


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    listener = listen("127.0.0.1", 0)
    with closing(LiveServer(sizes, listener)) as server:
        server.start()
        with socket.create_connection(listener.getsockname(), timeout=30) as connection:
            yield connection


def answered(connection: socket.socket, until: bytes = b">") -> bytes:
    """What the server says, up to the end of the body or of the connection."""
    heard = b""
    while until not in heard and (piece := connection.recv(65536)):
        heard += piece
    return heard


def refused(connection: socket.socket) -> bytes:
    """Goes on sending, a little at a time, until the server speaks."""
    for _ in range(200):
        if select.select([connection], [], [], 0.05)[0]:
            return answered(connection, until=b"bytes.\n")
        connection.sendall(b"x" * 1024)
    pytest.fail("the server takes whatever comes")


def test_connections_send_small_pieces_without_waiting() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\nX-Auth-Token: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_an_end_is_refused(connection: socket.socket, beginning: bytes) -> None:
    line = b"a: b\r\n" if beginning.endswith(b"\n") else b"x"
    connection.sendall(beginning + line * (LARGEST_HEAD // len(line) + 1))
    assert refused(connection).startswith(b"HTTP/1.1 431 ")
    assert connection.recv(1) == b""


def test_trailers_without_an_end_are_refused(connection: socket.socket) -> None:
    connection.sendall(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ")
    connection.sendall(b"x" * (LARGEST_HEAD + 1))
    assert b"HTTP/1.1 431 " in refused(connection)


def test_one_connection_carries_many_heads_and_long_bodies(connection: socket.socket) -> None:
    head = b"PUT / HTTP/1.1\r\nX: " + b"x" * (LARGEST_HEAD - 1000) + b"\r\n"
    body = b"x" * 3 * LARGEST_HEAD
    for _ in range(3):
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert answered(connection).endswith(b"<%d>" % len(body))
        chunk, count = b"1\r\nx\r\n", LARGEST_HEAD // 4
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.sendall(chunk * count + b"0\r\n\r\n")
        assert answered(connection).endswith(b"<%d>" % count)
