"""Does several deeds at once and returns when all are done."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from kcloud_common.log import alike

Result = TypeVar("Result")


def at_once(deeds: Sequence[Callable[[], Result]]) -> list[Result]:
    """What they return, in order; they may not raise. The first is done on this thread, the others on daemon
    threads: a process that ends does not wait for them. Where the host gives no thread, one after another."""
    results: dict[int, Result] = {}

    def do(number: int) -> None:
        results[number] = deeds[number]()

    here, others = [0], []
    for number in range(1, len(deeds)):
        thread = threading.Thread(target=alike(partial(do, number)), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # its limit of threads is reached
            here.append(number)
        else:
            others.append(thread)
    for number in here:
        do(number)
    for thread in others:
        thread.join()
    return [results[number] for number in range(len(deeds))]
