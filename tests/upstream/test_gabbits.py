"""All of upstream's functional tests over HTTP: each file on an empty database, each of its tests one item.

A test of a file rests on those before it, so running one alone runs these too. What cannot pass yet is named
in known_*.py with its reason, runs all the same, and must be taken off the list when it passes.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.upstream.cases import EVERY, KNOWN, by_file_and_name
from tests.upstream.databases import sqlite_copies
from tests.upstream.stage import Stage

HOW_MANY = 1316
"""In 16.0.0. A test that silently is not run would be worse than one that fails."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("upstream")
    with closing(Stage(folder, sqlite_copies(folder))) as made:
        yield made


@by_file_and_name
def test_upstream(stage: Stage, file: str, name: str) -> None:
    stage.story(file).run(name)


def test_none_of_upstreams_tests_is_left_out() -> None:
    assert len(EVERY) == HOW_MANY


def test_only_tests_that_exist_are_known_to_fail() -> None:
    assert not KNOWN.keys() - set(EVERY)
