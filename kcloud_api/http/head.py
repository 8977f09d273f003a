"""Bounds what a connection may send before any application sees its request: line, headers and trailers.

The parser keeps those whole in memory for as long as they have no end, and asks for no token.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024
REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\n"
    b"\r\n"
    b"The request line and the headers exceed %d bytes.\n"
) % LARGEST_HEAD


class BoundedHead(HttpToolsProtocol):
    """Counts what came since the last piece of a body or the last end of a request. What one read brings is
    looked at as it stands: the bound is LARGEST_HEAD and one read."""

    _pending = 0

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._pending > LARGEST_HEAD:
            self.transport.write(REFUSAL)
            self.transport.close()
            return
        self._pending += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._pending = 0
        super().on_message_complete()
