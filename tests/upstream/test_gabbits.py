"""All of upstream's functional tests over HTTP: each file on an empty database, each of its tests one item.

A test of a file rests on those before it, so running one alone runs these too. What cannot pass yet is named
in known_*.py with its reason, runs all the same, and must be taken off the list when it passes.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kcloud_api.db.migration import upgrade
from tests.upstream.gabbits import Story, gabbits, names, world_of
from tests.upstream.known_allocations import KNOWN as KNOWN_ALLOCATIONS
from tests.upstream.known_candidates import KNOWN as KNOWN_CANDIDATES
from tests.upstream.known_rest import KNOWN as KNOWN_REST
from tests.upstream.maker import Maker
from tests.upstream.stage import serving
from tests.upstream.worlds import WORLDS, basics

KNOWN = {**KNOWN_REST, **KNOWN_ALLOCATIONS, **KNOWN_CANDIDATES}
HOW_MANY = 1316
"""In 16.0.0. A test that silently is not run would be worse than one that fails."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "file" in metafunc.fixturenames:
        cases = [
            pytest.param(file, name, id=f"{file}::{name}", marks=_marks(f"{file}::{name}"))
            for file in gabbits()
            for name in names(file)
        ]
        metafunc.parametrize(("file", "name"), cases)


def _marks(test: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=KNOWN[test], strict=True)] if test in KNOWN else []


class Stage:
    """Runs one file at a time, each with its world made and a service of its own on an empty database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = ""
        self._closing = ExitStack()
        upgrade(f"sqlite:///{folder}/empty.db")

    def story(self, file: str) -> Story:
        if file != self._file:
            self.close()
            self._file, self._story = file, self._open(file)
        return self._story

    def close(self) -> None:
        self._file = ""
        self._closing.close()

    def _open(self, file: str) -> Story:
        database = self._folder / f"{file}.db"
        shutil.copy(self._folder / "empty.db", database)
        world, env = WORLDS[world_of(file)], basics()
        with ExitStack() as opening:
            url = opening.enter_context(serving(f"sqlite:///{database}", self._folder, world.kind))
            environment = opening.enter_context(pytest.MonkeyPatch.context())
            with Maker(url) as make:
                world.build(make, env)
            for variable, value in env.items():
                environment.setenv(variable, value)
            found = urlsplit(url)
            told = opening.enter_context(closing(Story(file, found.hostname or "", found.port or 0)))
            self._closing = opening.pop_all()
        return told


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(Stage(tmp_path_factory.mktemp("upstream"))) as made:
        yield made


def test_upstream(stage: Stage, file: str, name: str) -> None:
    stage.story(file).run(name)


def test_none_of_upstreams_tests_is_left_out() -> None:
    assert sum(1 for file in gabbits() for _ in names(file)) == HOW_MANY


def test_only_tests_that_exist_are_known_to_fail() -> None:
    assert not KNOWN.keys() - {f"{file}::{name}" for file in gabbits() for name in names(file)}
