"""Makes a start cheaper."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Import without the garbage collector: modules, models and routes stay for good, and looking for
    garbage among them again and again is a tenth of a start. Later collections pass them over, too."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
