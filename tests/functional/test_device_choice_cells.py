"""Hosts and devices are chosen for the machine around them that a flavor asks for: NUMA nodes, hugepages."""

import httpx
import pytest

from kcloud_common.wire import DeviceReport, MachineReport, NodeReport, PagesReport, PowerState
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent
from tests.functional.servers import NEWEST, Tenant, eventually, make_image
from tests.functional.test_device_choice import eight_gpus, gpus, policy

GIB = 1 << 20


def machine(*free: int, total: int = 8, cpus: int = 4, bits: int | None = None) -> MachineReport:
    """A node for each number, with so many free pages of 1 GiB out of `total`."""
    nodes = (
        NodeReport(
            number=number, cpus=cpus, memory_mib=8192,
            pages=(PagesReport(size_kib=GIB, total=total, free=count),) if total else (),
        )
        for number, count in enumerate(free)
    )  # fmt: skip
    return MachineReport(nodes=tuple(nodes), phys_bits=bits)


class Place:
    """A cloud on whose hosts servers of two vCPUs and 2 GiB can be asked for."""

    def __init__(self, cloud: Cloud) -> None:
        self.admin, self.demo = cloud.client(), cloud.client("demo")
        self.image = make_image(self.demo)
        self.agents: dict[str, ScriptedAgent] = {}
        self.flavors = 0

    def host(self, told: MachineReport | None, devices: list[DeviceReport] | None = None) -> ScriptedAgent:
        name = f"host-{len(self.agents) + 1}"
        agent = ScriptedAgent.enrol(self.admin, name, devices)
        agent.machine = told
        agent.report()
        self.agents[name] = agent
        return agent

    def tenant(self, specs: dict[str, str]) -> Tenant:
        self.flavors += 1
        flavor = {"name": f"flavor-{self.flavors}", "ram": 2048, "vcpus": 2, "disk": 1}
        made = self.admin.post("/compute/v2.1/flavors", json={"flavor": flavor}, headers=NEWEST).json()
        tenant = Tenant(self.demo, made["flavor"]["id"], self.image)
        answer = self.specify(tenant, specs)
        assert answer.status_code == 200, answer.text
        return tenant

    def specify(self, tenant: Tenant, specs: dict[str, str]) -> httpx.Response:
        named = {key.replace("__", ":"): value for key, value in specs.items()}
        path = f"/compute/v2.1/flavors/{tenant.flavor}/os-extra_specs"
        return self.admin.post(path, json={"extra_specs": named})

    def placed(self, specs: dict[str, str]) -> tuple[str, list[str]]:
        """The host of a new server, and the buses of its GPUs."""
        server = self.tenant(specs).boot()

        def look() -> list[tuple[str, list[str]]]:
            return [
                (name, [claim.device.removeprefix("pci_0000_")[:2] for claim in want.claims])
                for name, agent in self.agents.items()
                for want in agent.pull().servers
                if str(want.id) == server
            ]

        return eventually(look, bool)[0]

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
    return Place(cloud)


def numa(count: int, **more: str) -> dict[str, str]:
    return {"hw__numa_nodes": str(count), **more}


LARGE = {"hw__mem_page_size": "1GB"}


def test_a_host_with_too_few_nodes_is_passed_over_and_alone_says_why(place: Place) -> None:
    place.host(machine(8))
    message, details = place.fault(numa(2))
    assert "1 host has fewer than 2 NUMA nodes (hw:numa_nodes=2)" in message
    assert "What would help: ask for a flavor with fewer NUMA nodes" in message
    assert "host-1: too_few_numa_nodes: hw:numa_nodes=2: has 1 NUMA node" in details
    place.host(machine(8, 8))
    assert [place.placed(numa(2))[0] for _ in range(3)] == ["host-2"] * 3
    assert place.placed({})[0] == "host-1", "what asks for nothing goes where it went before"


def test_a_cell_that_no_node_can_hold_is_told_with_its_size(place: Place) -> None:
    place.host(machine(8, 8, cpus=1))
    assert place.placed(numa(2))[0] == "host-1"
    message, details = place.fault(numa(1))
    assert "1 host has fewer than 1 NUMA nodes with 2 VCPU and 2048 MEMORY_MB each" in message
    assert "0 of its NUMA nodes have 2 VCPU and 2048 MEMORY_MB" in details


def test_hosts_without_pages_are_passed_over(place: Place) -> None:
    place.host(machine(0, total=0))
    place.host(machine(1))
    message, details = place.fault(LARGE)
    assert "2 hosts have too few pages free for 2048 MEMORY_MB (hw:mem_page_size=1048576)" in message
    assert "host-2: too_few_free_pages: hw:mem_page_size=1048576: needs 2048 MiB" in details
    assert "has 1024 left" in details
    place.host(machine(2))
    assert place.placed(LARGE)[0] == "host-3"


def test_servers_asked_for_together_are_not_promised_the_same_pages(place: Place) -> None:
    """No report comes in between: the host still says that all are free."""
    agents = [place.host(machine(4, total=4)), place.host(machine(4, total=4))]
    tenant = place.tenant(LARGE)
    servers = [tenant.boot(f"s{number}") for number in range(4)]
    eventually(lambda: [len(agent.pull().servers) for agent in agents], lambda found: found == [2, 2])
    assert "too_few_free_pages" in place.fault(LARGE)[1]
    # Started now; what they took is no longer free, and is not counted twice.
    for agent in agents:
        agent.machine = machine(0, total=4)
        agent.obey()
    assert all(tenant.wait(server, "ACTIVE") for server in servers)
    assert "has 0 left" in place.fault(LARGE)[1]
    tenant.delete(servers[0])
    holder = next(agent for agent in agents if servers[0] in {str(want.id) for want in agent.pull().servers})
    holder.machine = machine(2, total=4)
    wants = holder.pull().servers
    holder.report(
        *(
            holder.says(want, PowerState.NONE, gone=True)
            if str(want.id) == servers[0]
            else holder.says(want, PowerState.RUNNING)
            for want in wants
        )
    )
    tenant.wait_gone(servers[0])
    assert place.placed(LARGE)[0] == holder.name


def test_a_stopped_server_keeps_its_pages(place: Place) -> None:
    agent = place.host(machine(2, total=2))
    tenant = place.tenant(LARGE)
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    tenant.wait(server, "ACTIVE")
    assert tenant.act(server, "os-stop").status_code == 202
    agent.obey()
    tenant.wait(server, "SHUTOFF")
    assert "has 0 left" in place.fault(LARGE)[1]


def test_devices_are_taken_from_as_many_nodes_as_the_guest_sees(place: Place) -> None:
    place.host(machine(8, 8), eight_gpus())
    assert place.placed(gpus(2, **numa(1), **policy("spread")))[1] == ["13", "23"]
    assert place.placed(gpus(2, **numa(2), **policy("spread")))[1] == ["14", "83"]
    message, details = place.fault(gpus(4, **numa(1)))
    assert "do" in message
    assert "4 PGPU free on as few NUMA nodes as hw:numa_nodes says" in message
    assert "host-1: not_on_the_cells_nodes: needs 4 PGPU on the guest's NUMA nodes, has 3 free" in details
    assert place.placed(gpus(4, **numa(2)))[1] == ["24", "84", "93", "94"]


def test_devices_are_taken_where_the_cells_pages_are(place: Place) -> None:
    place.host(machine(1, 8), eight_gpus())
    assert place.placed(gpus(1, **numa(1)))[1] == ["13"]
    assert place.placed(gpus(1, **numa(1), **LARGE))[1] == ["83"]
    assert place.placed(gpus(2, **numa(2), **LARGE))[1] == ["23", "24"], "a page of each node"


def test_devices_beside_a_node_without_processors_serve_all_the_same(place: Place) -> None:
    told = machine(8, 8)
    blind = told.nodes[1].model_copy(update={"cpus": 0})
    place.host(told.model_copy(update={"nodes": (told.nodes[0], blind)}), eight_gpus()[4:])
    assert place.placed(gpus(2, **numa(1)))[1] == ["83", "84"]


def test_a_host_that_says_nothing_of_its_machine_is_tried(place: Place) -> None:
    place.host(None)
    assert place.placed(numa(2, **LARGE))[0] == "host-1"


def test_more_address_bits_than_a_host_has_are_refused(place: Place) -> None:
    place.host(machine(8, bits=39))
    specs = {"hw__maxphysaddr_mode": "emulate", "hw__maxphysaddr_bits": "46"}
    assert "hw:maxphysaddr_bits=46: its processors have 39" in place.fault(specs)[1]
    place.host(machine(8, bits=46))
    assert place.placed(specs)[0] == "host-2"


def test_a_machine_that_no_host_could_make_is_refused_where_it_is_said(place: Place) -> None:
    tenant = place.tenant({})
    for specs in (numa(3), {"hw__numa_mem.0": "512"}, {"hw__mem_page_size": "16GB"}):
        answer = place.specify(tenant, specs)
        assert answer.status_code == 400, answer.text
        assert next(iter(specs)).replace("__", ":") in answer.text
