"""The server answers at once: no part of an answer waits for the client to acknowledge another."""

import socket

from kcloud_api.http.live import listen


def test_connections_send_small_pieces_without_waiting() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
