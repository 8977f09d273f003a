"""Answers with what is read while it is sent: one piece in memory at a time, and no query without a reader.

Once the first byte has left, all that can be done about an error is to break off: the answer has no length,
so its reader knows that the end is missing.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a client may take over one piece; whoever reads keeps a connection to the database."""


class Streamed(Response):
    """`pieces` are made in threads, one after the other. `close` is called once, whatever happens, when none
    is being made."""

    def __init__(
        self, pieces: Iterator[bytes], close: Callable[[], None], media_type: str, patience: float = PATIENCE
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._pieces = pieces
        self._close = close
        self._patience = patience
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_end_of(receive))
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            while (piece := await to_thread.run_sync(self._next)) is not None and not gone.done():
                async with asyncio.timeout(self._patience):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            if piece is None:
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            # Ending without the last message makes the server close the connection.
            log.info("answer_not_read", extra={"path": scope["path"]})
        finally:
            gone.cancel()
            # Not awaited where this task has been cancelled; the thread ends it all the same.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._end))

    def _next(self) -> bytes | None:
        with self._making:
            return next(self._pieces, None)

    def _end(self) -> None:
        with self._making:
            self._close()


async def _end_of(receive: Receive) -> None:
    """Returns when the client has gone, or sends what nobody wants to read."""
    message: Message = {"type": ""}
    with suppress(HTTPException):
        while message["type"] != "http.disconnect":
            message = await receive()
