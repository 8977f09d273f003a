"""The fixtures of tests that run an agent: who imports `bench` or `bench_on` imports `plane` as well."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from kcloud_compute import agent as agent_module
from kcloud_compute import ledger, reporter
from tests.functional.agent_bench import Bench
from tests.functional.agent_control_plane import ControlPlane
from vfio.sim.trees import build

__all__ = ["BenchOn", "bench", "bench_on", "hasty", "plane"]

HASTE = 0.05
BenchOn = Callable[[str], Bench]


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def bench(tmp_path: Path, plane: ControlPlane) -> Iterator[Bench]:
    """With one GPU, which is two functions of a group."""
    bench = Bench(tmp_path, plane)
    yield bench
    bench.close()


@pytest.fixture
def bench_on(tmp_path: Path, plane: ControlPlane) -> Iterator[BenchOn]:
    """`bench_on("t4-x1")` is a bench with that simulated machine; it is closed when the test ends."""
    with ExitStack() as closing:

        def made(tree: str) -> Bench:
            bench = Bench(tmp_path, plane, partial(build, tree))
            closing.callback(bench.close)
            return bench

        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents try again at once: what is right only because somebody was slow fails."""
    monkeypatch.setattr(agent_module, "_MOST_OFTEN", HASTE)
    monkeypatch.setattr(ledger, "_FIRST", HASTE)
    monkeypatch.setattr(reporter, "_PROGRESS_DELAY", HASTE)
