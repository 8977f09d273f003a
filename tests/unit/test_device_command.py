"""What `kcloud device` and `kcloud card` print, and how they end."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self
from uuid import UUID

import pytest

from kcloud_cli import card, device
from kcloud_cli.main import main
from kcloud_common.errors import NotFound

DEVICE: dict[str, Any] = {
    "id": str(UUID(int=1)), "host": "host-1", "name": "pci_0000_13_00_0", "card": "pci_0000_13_00_0",
    "kind": "whole", "slice_type": "", "model": "A100", "serial": "", "vendor_id": "10de",
    "product_id": "20b5", "share": 1000, "memory_mib": 40960, "sharing": None, "resource_class": "PGPU",
    "traits": ["CUSTOM_NVIDIA_A100"], "addresses": ["0000:13:00.0"], "numa_node": 1,
    "pci_path": ["0000:10:01.0", "0000:11:00.0", "0000:12:00.0"], "link": {"speed": 16.0, "width": 16},
    "state": "free", "reason": "", "held_back": "", "quarantine_reason": "", "generation": 0,
    "certified_generation": 0, "release_count": 0, "release_done": 0, "health": None, "last_seen": "today",
    "claim": None, "maintenance": False,
}  # fmt: skip
SLICE = {
    **DEVICE, "id": str(UUID(int=2)), "host": "host-2", "name": "mdev_1", "kind": "mdev",
    "slice_type": "nvidia-231", "share": 125, "memory_mib": 2500, "model": "", "numa_node": None,
    "pci_path": [], "link": None, "state": "attached", "generation": 3, "claim": {"server_id": "s-1"},
    "sharing": {"policy": "equal", "quantum_us": 2000, "preempt_timeout_us": None, "weight": None},
}  # fmt: skip
ABILITY = {"kind": "whole", "type": "", "name": "", "most": 1, "memory_mib": 40960, "policies": [],
           "quantum": False, "refused": ""}  # fmt: skip
CARD = {
    **{name: DEVICE[name] for name in ("id", "host", "name", "model", "serial", "vendor_id", "product_id")},
    "address": "0000:13:00.0", "memory_mib": 40960, "drift": "it is in use: 1 of 4 slices",
    "abilities": [
        ABILITY,
        {**ABILITY, "kind": "mdev", "type": "nvidia-231", "name": "2Q", "most": 8, "policies": ["equal"]},
        {**ABILITY, "kind": "vf", "most": 16, "refused": "its driver keeps them"},
    ],
}  # fmt: skip


class Cloud:
    """An operator's view of two devices and a card."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.devices = [DEVICE, SLICE]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def each(self, sort: str, **narrowed: str | None) -> Iterator[Mapping[str, Any]]:
        host = narrowed.get("host")
        found = self.devices if sort == "devices" else [CARD]
        return iter([each for each in found if host in (None, each["host"])])

    def device(self, device_id: str) -> Mapping[str, Any]:
        for found in self.devices:
            if found["id"] == device_id:
                return found
        raise NotFound(f"No device {device_id} is known.")

    def host(self, name: str) -> None:
        if name != "empty-host":
            raise NotFound(f"no host {name!r}; there are: host-1")

    def ask(self, method: str, path: str, body: object) -> None:
        self.asked.append((method, path, body))


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud()
    for module in (card, device):
        monkeypatch.setattr(module, "open_cloud", lambda _name: made)
    return made


def lines(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_a_list_shows_what_devices_are_and_who_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, second = lines(capsys, "device", "list")
    assert head.split() == [
        "ID", "HOST", "DEVICE", "MODEL", "SLICE", "SHARE", "MEMORY", "CLASS", "NUMA", "STATE", "SERVER",
    ]  # fmt: skip
    assert first.split()[1:] == [
        "host-1", "pci_0000_13_00_0", "A100", "whole", "all", "40", "GiB", "PGPU", "1", "free", "-",
    ]  # fmt: skip
    assert second.split()[1:] == [
        "host-2", "mdev_1", "10de:20b5", "mdev", "nvidia-231", "12.5", "%", "2500", "MiB", "PGPU", "-",
        "attached", "s-1",
    ]  # fmt: skip


def test_a_long_list_shows_where_devices_sit(capsys: pytest.CaptureFixture[str]) -> None:
    head, first, second = lines(capsys, "device", "list", "--long")
    assert "PCIE PATH" in head
    assert first.split()[-4:] == [
        "16", "GT/s", "x16", "0000:10:01.0/0000:11:00.0/0000:12:00.0",
    ]  # fmt: skip
    assert second.split()[-3:] == ["10de:20b5", "-", "-"]


def test_a_list_with_ill_devices_says_where_to_look(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.devices = [{**DEVICE, "held_back": "an operator wants it so"}]
    shown = lines(capsys, "device", "list")
    assert "free, held back" in shown[1]
    assert "kcloud device show" in shown[-1]


def test_a_list_of_a_host_that_there_is_not_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "list", "--host", "nix"]) == 1
    assert capsys.readouterr().err == "kcloud device: no host 'nix'; there are: host-1\n"
    assert len(lines(capsys, "device", "list", "--host", "empty-host")) == 1


def test_one_device_is_shown_with_what_it_is_a_slice_of(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "\n".join(lines(capsys, "device", "show", "host-2/mdev_1"))
    for words in (
        "slice       mdev nvidia-231, 12.5 % of card pci_0000_13_00_0",
        "sharing     equal, quantum 2000 us",
        "leases      3, the last one is not over",
    ):
        assert words in shown
    assert "None" not in shown


def test_why_a_device_is_out_of_use_stands_first(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.devices = [{**DEVICE, "state": "quarantined", "reason": "its link is x1", "release_count": 1}]
    shown = lines(capsys, "device", "show", "pci_0000_13_00_0")
    assert shown[1:4] == [
        "  state       quarantined",
        "  why         its link is x1",
        "  burn-in     asked for, not reported yet",
    ]


@pytest.mark.parametrize(
    ("wanted", "line"), [(True, "  held back   an operator wants it in maintenance"), (False, None)]
)
def test_what_holds_a_device_back_is_said_where_it_is_more_than_its_state(
    wanted: bool, line: str | None, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "an operator wants it in maintenance" if wanted else "its host still has it in maintenance"
    cloud.devices = [{**DEVICE, "state": "maintenance", "maintenance": wanted, "held_back": why}]
    shown = lines(capsys, "device", "show", DEVICE["name"])
    assert shown[1] == "  state       maintenance"
    assert [each for each in shown if "held back" in each] == ([line] if line else [])


def test_json_is_what_the_api_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads("\n".join(lines(capsys, "device", "list", "--json"))) == [DEVICE, SLICE]
    assert json.loads("\n".join(lines(capsys, "device", "show", "--json", str(UUID(int=1))))) == DEVICE
    assert json.loads("\n".join(lines(capsys, "card", "show", "--json", "host-1/pci_0000_13_00_0"))) == CARD


def test_a_name_that_several_hosts_have_is_no_answer(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.devices = [DEVICE, {**DEVICE, "host": "host-2"}]
    assert main(["device", "show", "pci_0000_13_00_0"]) == 2
    said = capsys.readouterr().err
    assert "host-1/pci_0000_13_00_0, host-2/pci_0000_13_00_0" in said
    assert main(["device", "show", "host-2/pci_0000_13_00_0"]) == 0


@pytest.mark.parametrize("name", ["nix", "host-1/nix", str(UUID(int=9))])
def test_a_device_that_there_is_not_is_a_failure(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["device", "show", name]) == 1
    assert "kcloud device: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("maintain",), {"maintenance": True}),
        (("maintain", "--end"), {"maintenance": False}),
        (("quarantine", "--reason", "loud"), {"quarantine": {"reason": "loud"}}),
        (("release",), {"release": {}}),
    ],
)
def test_what_operators_want_is_asked_for(
    words: tuple[str, ...], body: object, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    for each in (DEVICE, SLICE):
        (said,) = lines(capsys, "device", *words, f"{each['host']}/{each['name']}")
        assert said.startswith(f"{each['host']}/{each['name']} ")
    assert cloud.asked == [("POST", f"/devices/{each['id']}/action", body) for each in (DEVICE, SLICE)]


def test_cards_are_listed_with_what_they_can_be_cut_into(capsys: pytest.CaptureFixture[str]) -> None:
    _head, first, _empty, advice = lines(capsys, "card", "list")
    assert first.split()[-4:] == ["40", "GiB", "mdev", "differs"]
    assert "kcloud layout status host-1" in advice


def test_one_card_is_shown_with_its_abilities_and_its_drift(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, "card", "show", "pci_0000_13_00_0")
    assert "  layout    differs: it is in use: 1 of 4 slices" in shown
    assert shown[-4].split()[:4] == ["mdev", "nvidia-231", "2Q", "8"]
    assert shown[-3].endswith("(1)")
    assert shown[-1] == "(1) its driver keeps them"
