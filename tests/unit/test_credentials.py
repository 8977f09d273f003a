"""clouds.yaml: what it says, who may read it, and that a start finds its own passwords again."""

import stat
from pathlib import Path

import pytest
import yaml

from kcloud_cli import credentials

PASSWORDS = {"admin": "a-secret", "demo": "d-secret"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clouds.yaml"
    credentials.write(path, "http://127.0.0.1:8774", PASSWORDS)
    return path


def test_both_clouds_are_there_with_what_clients_need(file: Path) -> None:
    clouds = yaml.safe_load(file.read_text())["clouds"]
    assert set(clouds) == {"kcloud-admin", "kcloud-demo"}
    assert clouds["kcloud-demo"]["auth"] == {
        "auth_url": "http://127.0.0.1:8774/identity/v3",
        "username": "demo",
        "password": "d-secret",
        "project_name": "demo",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def test_only_its_owner_may_read_it_even_after_a_rewrite(file: Path) -> None:
    file.chmod(0o644)
    credentials.write(file, "http://127.0.0.1:1", PASSWORDS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["clouds.yaml"]


def test_passwords_are_found_again(file: Path) -> None:
    assert credentials.passwords(file) == PASSWORDS


@pytest.mark.parametrize("text", ["", "a: [", "clouds: {}", "clouds:\n  kcloud-admin: {}\n", "- x", "3"])
def test_a_file_that_says_nothing_useful_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(text)
    assert credentials.passwords(path) == {}
    assert credentials.passwords(tmp_path / "nowhere.yaml") == {}


def test_when_it_cannot_be_written_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "clouds.yaml").mkdir()
    with pytest.raises(OSError, match=r"clouds\.yaml"):
        credentials.write(tmp_path / "clouds.yaml", "http://127.0.0.1:1", PASSWORDS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clouds.yaml"]
