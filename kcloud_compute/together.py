"""Does several deeds at once and returns when all are done."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from kcloud_common.log import alike

Result = TypeVar("Result")


def at_once(deeds: Sequence[Callable[[], Result]]) -> list[Result]:
    """What they return, in order; they may not raise. The first is done on this thread, the others on daemon
    threads: a process that ends does not wait for them."""
    results: dict[int, Result] = {}

    def do(number: int) -> None:
        results[number] = deeds[number]()

    others = [
        threading.Thread(target=alike(partial(do, number)), daemon=True) for number in range(1, len(deeds))
    ]
    for thread in others:
        thread.start()
    do(0)
    for thread in others:
        thread.join()
    return [results[number] for number in range(len(deeds))]
