"""A plug-in for pytest on the lab host: runs the suite about slices on its cards instead of on fake ones, and
has every test leave the host as it was."""

from collections.abc import Iterator

import pytest

from tests import slice_bench
from tests.lab.lab_cards import BENCHES
from tests.slice_bench import Bench

OF_FAKES = ("reboot",)
"""Words in the names of tests that only a fake host can do: a reboot ends the suite's own process too."""


def pytest_configure() -> None:
    slice_bench.BENCHES.clear()
    slice_bench.BENCHES.update(BENCHES)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    of_fakes = [item for item in items if any(word in item.name for word in OF_FAKES)]
    items[:] = [item for item in items if item not in of_fakes]
    config.hook.pytest_deselected(items=of_fakes)


@pytest.fixture(autouse=True)
def host_is_left_as_it_was(bench: Bench) -> Iterator[None]:
    """What a test has left, claims and layouts, goes back as the agent would take it back."""
    before = bench.picture()
    yield
    slicer = bench.process()
    for claim_id in slicer.prepared():
        slicer.release(claim_id)
    bench.undo()
    assert bench.picture() == before
    assert bench.records() == []
