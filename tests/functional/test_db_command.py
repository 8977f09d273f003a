"""`kcloud db`: what it says about a database, and what it does to one."""

from pathlib import Path

import pytest

from kcloud_api.db.migration import head
from kcloud_cli.main import main


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kcloud.db"


def test_an_empty_database_is_not_current_until_it_was_upgraded(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "status", "--database", url]) == 1
    assert "kcloud db upgrade" in capsys.readouterr().err
    assert main(["db", "upgrade", "--database", url]) == 0
    assert head() in capsys.readouterr().out
    assert main(["db", "status", "--database", url]) == 0
    assert capsys.readouterr().out == f"revision {head()}: current\n"


def test_the_url_is_read_from_a_configuration_file(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kcloud.conf"
    file.write_text(f"[database]\nurl = {url}\n")
    assert main(["db", "upgrade", "--config-file", str(file)]) == 0
    assert (tmp_path / "kcloud.db").exists()


@pytest.mark.parametrize("url", ["nonsense", "oracle://x", "sqlite:////nowhere/at/all/kcloud.db"])
def test_a_database_that_cannot_be_opened_is_said_and_ends_with_2(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "status", "--database", url]) == 2
    assert "kcloud db:" in capsys.readouterr().err
