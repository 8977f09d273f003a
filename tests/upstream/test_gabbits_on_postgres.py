"""The same tests as test_gabbits.py on PostgreSQL: it locks, sorts and counts in other ways."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.postgres import postgres_server
from tests.upstream.cases import by_file_and_name
from tests.upstream.databases import postgres_copies
from tests.upstream.stage import Stage

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("upstream")
    with postgres_server() as server, closing(Stage(folder, postgres_copies(server))) as made:
        yield made


@by_file_and_name
def test_upstream(stage: Stage, file: str, name: str) -> None:
    stage.story(file).run(name)
