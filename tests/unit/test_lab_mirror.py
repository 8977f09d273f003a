"""Where the lab gets Debian from: where the machine's own apt does."""

from pathlib import Path

import pytest

from kcloud_cli.lab.debian import mirror_of_host
from kcloud_cli.lab.process import LabError

MIRROR = "http://mirror.example/debian"


def write(etc: Path, name: str, text: str) -> Path:
    path = etc / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return etc


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", f"deb {MIRROR} bookworm main\n"),
        ("sources.list", f"deb [arch=amd64 signed-by=/x.gpg] {MIRROR}/ bookworm main\n"),
        ("sources.list.d/debian.sources", f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm\n"),
    ],
)
def test_it_is_read_from_the_hosts_sources(tmp_path: Path, name: str, text: str) -> None:
    assert mirror_of_host({}, write(tmp_path, name, text)) == MIRROR


def test_a_cloud_images_list_of_mirrors_is_followed(tmp_path: Path) -> None:
    listed = tmp_path / "mirrors" / "debian.list"
    text = f"Types: deb\nURIs: mirror+file:{listed}\nSuites: trixie\n"
    write(tmp_path, "mirrors/debian.list", f"{MIRROR}/\n")
    assert mirror_of_host({}, write(tmp_path, "sources.list.d/debian.sources", text)) == MIRROR


def test_what_the_environment_says_wins(tmp_path: Path) -> None:
    assert mirror_of_host({"KCLOUD_DEBIAN_MIRROR": f"{MIRROR}/"}, tmp_path) == MIRROR


def test_without_any_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="KCLOUD_DEBIAN_MIRROR"):
        mirror_of_host({}, write(tmp_path, "sources.list", "deb http://other.example/ubuntu jammy main\n"))
