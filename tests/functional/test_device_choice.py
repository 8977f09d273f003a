"""Servers with several devices get those that hang together as their flavor wants them."""

from dataclasses import replace

import httpx
import pytest

from kcloud_common.config import Conf
from kcloud_common.wire import DeviceReport, PcieLink
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import Tenant, eventually, make_flavor, make_image

SWITCHES = (
    (0, "11", ("13", "14")),
    (0, "21", ("23", "24")),
    (1, "81", ("83", "84")),
    (1, "91", ("93", "94")),
)
"""NUMA node, the switch's bus, the buses of the GPUs below it."""


def eight_gpus() -> list[DeviceReport]:
    """Two switches on each of two NUMA nodes, two GPUs below each."""
    return [
        gpu(f"pci_0000_{bus}_00_0", f"0000:{bus}:00.0").model_copy(
            update={
                "numa_node": node,
                "pci_path": (f"0000:{switch}:00.0", f"0000:{switch}:01.0", f"0000:{bus}:ff.0"),
                "link": PcieLink(speed=16.0, width=16),
            }
        )
        for node, switch, buses in SWITCHES
        for bus in buses
    ]


def sixteen_gpus() -> list[DeviceReport]:
    """The same with four below each switch."""
    return [
        device.model_copy(
            update={
                "name": f"{device.name[:-1]}{twin}",
                "addresses": (f"{device.addresses[0][:-1]}{twin}",),
            }
        )
        for device in eight_gpus()
        for twin in (0, 1)
    ]


def gpus(count: int, **more: str) -> dict[str, str]:
    groups = {f"resources{number}__PGPU": "1" for number in range(1, count + 1)}
    return {"group_policy": "isolate", **groups, **more}


def policy(name: str) -> dict[str, str]:
    return {"kcloud__device_policy": name}


class Place:
    """A cloud with one host, on which servers of any flavor can be asked for."""

    def __init__(self, cloud: Cloud, devices: list[DeviceReport]) -> None:
        self.admin, self.demo = cloud.client(), cloud.client("demo")
        self.image = make_image(self.demo)
        self.agent = ScriptedAgent.enrol(self.admin, "host-1", devices)
        self.agent.report()
        self.flavors = 0

    def tenant(self, specs: dict[str, str]) -> Tenant:
        self.flavors += 1
        return Tenant(self.demo, make_flavor(self.admin, f"flavor-{self.flavors}", **specs), self.image)

    def buses(self, specs: dict[str, str]) -> list[str]:
        """Boots one, and says which GPUs it got, by their buses."""
        server = self.tenant(specs).boot()
        eventually(lambda: [str(want.id) for want in self.agent.pull().servers], lambda ids: server in ids)
        return [claim.device.removeprefix("pci_0000_")[:2] for claim in self.agent.want(server).claims]

    def fault(self, specs: dict[str, str]) -> tuple[str, str]:
        """The tenant's message and the operator's details."""
        tenant = self.tenant(specs)
        server = tenant.boot()
        message: str = tenant.wait(server, "ERROR")["fault"]["message"]
        shown = self.admin.get(f"/compute/v2.1/servers/{server}").json()["server"]
        details: str = shown["fault"]["details"]
        return message, details


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud, eight_gpus())


def test_without_a_policy_devices_are_packed_and_whole_switches_kept(place: Place) -> None:
    assert place.buses(gpus(1)) == ["13"]
    assert place.buses(gpus(2)) == ["23", "24"], "not the half of a switch"
    assert place.buses(gpus(1)) == ["14"], "the half that is left"
    assert place.buses(gpus(4)) == ["83", "84", "93", "94"]


def test_spread_goes_over_nodes_and_switches(place: Place) -> None:
    assert place.buses(gpus(2, **policy("spread"))) == ["13", "83"]
    assert place.buses(gpus(2, **policy("spread"))) == ["23", "93"]
    assert place.buses(gpus(4, **policy("spread"))) == ["14", "24", "84", "94"]


def test_devices_of_one_switch_or_none_with_a_switch_in_use(cloud: Cloud) -> None:
    place = Place(cloud, sixteen_gpus())
    assert place.buses(gpus(1)) == ["13"]
    assert place.buses(gpus(4, **policy("same-switch"))) == ["23", "23", "24", "24"]
    assert place.buses(gpus(3, **policy("same-switch"))) == ["13", "14", "14"], "what that switch has left"
    assert place.buses(gpus(4, **policy("same-switch"))) == ["83", "83", "84", "84"]


def test_a_host_whose_devices_are_apart_is_refused_with_numbers(place: Place) -> None:
    message, details = place.fault(gpus(3, **policy("same-switch")))
    assert "3 PGPU free below one PCIe switch" in message
    assert "host-1" not in message
    assert "not_below_one_switch" in details
    assert "host-1: not_below_one_switch: needs 3 PGPU below one PCIe switch, has 2+2+2+2 free" in details
    place.buses(gpus(1))
    place.buses(gpus(1, **policy("spread")))
    message, details = place.fault(gpus(4, **policy("same-numa")))
    assert "4 PGPU free on one NUMA node" in message
    assert "has 3+3 free" in details
    assert place.buses(gpus(4)) == ["23", "24", "93", "94"], "a preference takes them all the same"


def test_a_host_that_cannot_is_passed_over_for_one_that_can(cloud: Cloud) -> None:
    place = Place(cloud, eight_gpus())
    second = ScriptedAgent.enrol(place.admin, "host-2", sixteen_gpus()[:4])
    second.report()
    tenant = place.tenant(gpus(4, **policy("same-switch")))
    server = tenant.boot()
    eventually(lambda: [str(want.id) for want in second.pull().servers], lambda ids: ids == [server])
    message, details = place.fault(gpus(3, **policy("same-switch")))
    assert "1 host has too little PGPU free" in message
    assert "1 host does not have 3 PGPU free below one PCIe switch" in message
    assert {"host-1", "host-2"} <= {word.strip(":") for word in details.split()}


def test_novas_word_for_it_is_understood(place: Place) -> None:
    required = {"hw__pci_numa_affinity_policy": "required"}
    place.buses(gpus(1))
    assert place.buses(gpus(4, **required)) == ["83", "84", "93", "94"]
    assert place.buses(gpus(2, **required)) == ["23", "24"]
    assert "resource_class_short" in place.fault(gpus(4, **required))[1]


def test_only_devices_that_suit_the_flavor_are_chosen(cloud: Cloud) -> None:
    devices = eight_gpus()
    old = {"traits": ("CUSTOM_GPU_A100",)}
    devices[2:5] = [device.model_copy(update=old) for device in devices[2:5]]
    place = Place(cloud, devices)
    new = {f"trait{number}__CUSTOM_GPU_H100": "required" for number in (1, 2)}
    assert place.buses(gpus(2, **new, **policy("same-switch"))) == ["13", "14"]
    assert place.buses(gpus(2, **new, **policy("same-switch"))) == ["93", "94"]
    assert place.buses(gpus(1, trait1__CUSTOM_GPU_H100="required")) == ["84"]


class TestWithSpreadAsTheDefault:
    @pytest.fixture
    def conf(self, conf: Conf) -> Conf:
        conf.scheduler = replace(conf.scheduler, device_policy="spread")
        return conf

    def test_a_flavor_that_says_nothing_is_spread(self, place: Place) -> None:
        assert place.buses(gpus(2)) == ["13", "83"]


def test_operators_see_where_devices_sit(place: Place) -> None:
    client: httpx.Client = place.admin
    first = client.get("/kcloud/v1/devices").json()["devices"][0]
    assert (first["numa_node"], first["link"]) == (0, {"speed": 16.0, "width": 16})
    assert first["pci_path"] == ["0000:11:00.0", "0000:11:01.0", "0000:13:ff.0"]
