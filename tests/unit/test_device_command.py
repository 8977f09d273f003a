"""What `kcloud device list` prints."""

from collections.abc import Mapping
from typing import Any

import pytest

from kcloud_cli import device
from kcloud_cli.main import main

DEVICE: dict[str, Any] = {
    "id": "d-1", "host": "host-1", "name": "pci_0000_13_00_0", "vendor_id": "10de", "product_id": "20b5",
    "resource_class": "PGPU", "numa_node": 1, "pci_path": ["0000:10:01.0", "0000:11:00.0", "0000:12:00.0"],
    "link": {"speed": 16.0, "width": 16}, "state": "free", "claim": None,
}  # fmt: skip


class Cloud:
    """An operator's view of two devices."""

    def devices(self, _host: str | None, _state: str | None) -> tuple[Mapping[str, Any], ...]:
        return (DEVICE, {**DEVICE, "numa_node": None, "pci_path": [], "claim": {"server_id": "s-1"}})

    def device(self, _device_id: str) -> Mapping[str, Any]:
        return DEVICE


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "open_cloud", lambda _name: Cloud())


def test_a_list_shows_where_devices_sit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "list"]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("  ")[-1].strip() == "SERVER"
    assert "NUMA" in head
    assert "PCIE PATH" in head
    assert first.split()[5:] == ["1", "0000:10:01.0/0000:11:00.0/0000:12:00.0", "free", "-"]
    assert second.split()[5:] == ["-", "-", "free", "s-1"]


def test_one_device_is_shown_with_its_link(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "show", "d-1"]) == 0
    assert "speed=16.0 width=16" in capsys.readouterr().out
