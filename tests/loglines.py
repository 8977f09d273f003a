"""What is logged within a block, as facts, from all threads of this process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kcloud_common import log

Line = dict[str, object]


@contextmanager
def logged() -> Iterator[list[Line]]:
    """At info and above; the list grows while the block runs."""
    lines: list[Line] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(log.facts(record))

    root, handler = logging.getLogger(), Keeping()
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
