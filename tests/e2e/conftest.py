"""Fixtures of the end-to-end tests: a libvirtd of their own, a cloud over it, guests' images."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kcloud_cli.lab import guest
from tests.e2e.cloud import Cloud, start_cloud
from tests.libvirtd import PrivateLibvirtd, start_private_libvirtd


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """openstacksdk warns of its own next major release, in calls that it makes itself."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"))


@pytest.fixture(scope="session")
def tiny_image() -> Path:
    """The smallest guest that boots from its own disk (built once, then cached by package versions)."""
    return guest.guest_image("tiny")


@pytest.fixture(scope="session")
def debian_image() -> Path:
    """A Debian with its real cloud-init."""
    return guest.guest_image("debian")


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    handle = start_private_libvirtd(tmp_path_factory.mktemp("libvirtd"))
    yield handle
    handle.close()


@pytest.fixture(scope="module")
def cloud(libvirtd: PrivateLibvirtd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    running = start_cloud(tmp_path_factory.mktemp("cloud"), libvirtd)
    yield running
    running.stop()
