"""All of upstream's functional tests over HTTP: each file on an empty database, each of its tests one item.

A test of a file rests on those before it, so running one alone runs these too. What cannot pass yet is named
in known_*.py with its reason, runs all the same, and must be taken off the list when it passes.
"""

import shutil
from collections.abc import Iterator
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
    if "story" in metafunc.fixturenames:
        cases = [
            pytest.param(file, name, id=f"{file}::{name}", marks=_marks(f"{file}::{name}"))
            for file in gabbits()
            for name in names(file)
        ]
        metafunc.parametrize(("story", "name"), cases, indirect=["story"], scope="module")


def _marks(test: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=KNOWN[test], strict=True)] if test in KNOWN else []


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with our schema; each file gets a copy."""
    file = tmp_path_factory.mktemp("migrated") / "kcloud.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="module")
def story(
    request: pytest.FixtureRequest, migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """One file's tests, with its world made and its service running."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(migrated, folder / "kcloud.db")
    world, env = WORLDS[world_of(request.param)], basics()
    with (
        serving(f"sqlite:///{folder}/kcloud.db", folder, world.kind) as url,
        pytest.MonkeyPatch.context() as environment,
    ):
        with Maker(url) as make:
            world.build(make, env)
        for variable, value in env.items():
            environment.setenv(variable, value)
        found = urlsplit(url)
        told = Story(request.param, found.hostname or "", found.port or 0)
        yield told
        told.close()


def test_upstream(story: Story, name: str) -> None:
    story.run(name)


def test_none_of_upstreams_tests_is_left_out() -> None:
    assert sum(1 for file in gabbits() for _ in names(file)) == HOW_MANY


def test_only_tests_that_exist_are_known_to_fail() -> None:
    assert not KNOWN.keys() - {f"{file}::{name}" for file in gabbits() for name in names(file)}
