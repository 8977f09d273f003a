"""Lets only so many do what is dear at the same time, and only so many wait for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kcloud_common.errors import Unavailable


class Turns:
    """`at_once` may be inside; `waiting` more may wait, each for `patience` seconds. Whoever waits keeps a
    thread that all requests share: more of them, and nobody would be answered anything."""

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._inside = threading.BoundedSemaphore(at_once)
        self._known = threading.BoundedSemaphore(at_once + waiting)
        self._patience = patience

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises Unavailable: at once where too many wait already, or when the patience is at its end."""
        if not self._known.acquire(blocking=False):
            raise _busy()
        try:
            if not self._inside.acquire(timeout=self._patience):
                raise _busy()
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._known.release()


def _busy() -> Unavailable:
    return Unavailable("Others ask for the same too: try again in a few seconds.")
