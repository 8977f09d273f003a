"""Worlds of hosts with network devices deep in their trees."""

from uuid import uuid4

from tests.upstream.maker import Maker

BANDWIDTH = ("NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC")
DIRECT = ("CUSTOM_VNIC_TYPE_DIRECT", "CUSTOM_VNIC_TYPE_DIRECT_PHYSICAL", "CUSTOM_VNIC_TYPE_MACVTAP")
NORMAL = "CUSTOM_VNIC_TYPE_NORMAL"


def numa_network(
    make: Maker, env: dict[str, str], *, above: tuple[str | None, str | None] = (None, None)
) -> None:
    """A host all of whose resources are in NUMA nodes and devices; a host with processors of its own and
    network functions two levels down; a shared disk. `above`: what each host is below."""
    shared = env["AGGA_UUID"] = str(uuid4())
    disk = env["SS1_UUID"] = make.provider("ss1", shared)
    make.traits(disk, "MISC_SHARES_VIA_AGGREGATE")
    make.inventory(disk, "DISK_GB", 2000)
    _host_of_nodes(make, env, make.provider("cn1", shared, parent=above[0]))
    _host_of_functions(make, env, make.provider("cn2", shared, parent=above[1]))


def deep_numa_network(make: Maker, env: dict[str, str]) -> None:
    """The same, with both hosts under empty parents that have one parent."""
    grandparent = make.provider("gp1")
    parents = (make.provider("p1", parent=grandparent), make.provider("p2", parent=grandparent))
    numa_network(make, env, above=parents)


def _host_of_nodes(make: Maker, env: dict[str, str], host: str) -> None:
    env["CN1_UUID"] = host
    make.traits(host, "COMPUTE_VOLUME_MULTI_ATTACH")
    numas = []
    for number, traits in enumerate((["HW_NUMA_ROOT"], ["HW_NUMA_ROOT", "CUSTOM_FOO"])):
        numa = env[f"NUMA{number}_UUID"] = make.provider(f"numa{number}", parent=host)
        make.traits(numa, *traits)
        make.inventory(numa, "VCPU", 4)
        numas.append(numa)
    make.inventory(numas[0], "MEMORY_MB", 2048, min_unit=512, step_size=256)
    make.inventory(numas[1], "MEMORY_MB", 2048, min_unit=256, max_unit=1024)
    make.allocation(numas[0], {"VCPU": 2}, project="numafx-project", user="numafx-user")
    for name, numa, resource_class, total in (
        ("fpga0", numas[0], "FPGA", 1), ("pgpu0", numas[0], "VGPU", 8),
        ("fpga1_0", numas[1], "FPGA", 1), ("fpga1_1", numas[1], "FPGA", 1),
    ):  # fmt: skip
        made = env[f"{name.upper()}_UUID"] = make.provider(name, parent=numa)
        make.inventory(made, resource_class, total)
    for agent, kind, devices in (
        ("sriov_agent", "DIRECT", (("esn1", 1, 10000), ("esn2", 2, 20000))),
        ("ovs_agent", "NORMAL", (("br_int", 0, 1000),)),
    ):
        above = env[f"{agent.upper()}_UUID"] = make.provider(agent, parent=host)
        make.traits(above, f"CUSTOM_VNIC_TYPE_{kind}")
        for device, network, rate in devices:
            made = env[f"{device.upper()}_UUID"] = make.provider(device, parent=above)
            make.traits(made, f"CUSTOM_PHYSNET{network}")
            make.inventory(made, BANDWIDTH[0], rate)


def _host_of_functions(make: Maker, env: dict[str, str], host: str) -> None:
    env["CN2_UUID"] = host
    make.inventory(host, "VCPU", 8)
    make.allocation(host, {"VCPU": 3}, project="numafx-project", user="numafx-user")
    make.inventory(host, "MEMORY_MB", 2048, min_unit=1024, step_size=128)
    make.inventory(host, "DISK_GB", 1000)
    make.traits(host, "CUSTOM_FOO")
    for number, functions in (
        ("1", ((1, 4), (2, 4))),
        ("2", ((1, 2), (2, 2), (1, 2), (2, 2))),
        ("3", ((1, 8),)),
    ):
        nic = env[f"NIC{number}_UUID"] = make.provider(f"nic{number}", parent=host)
        make.traits(nic, "CUSTOM_HW_NIC_ROOT")
        for order, (network, total) in enumerate(functions, 1):
            made = env[f"PF{number}_{order}_UUID"] = make.provider(f"pf{number}_{order}", parent=nic)
            make.traits(made, f"CUSTOM_PHYSNET{network}")
            make.inventory(made, "CUSTOM_VF", total)


def multi_segment_network(make: Maker, env: dict[str, str]) -> None:
    """Four hosts with a bridge and a card: on another network, on either segment of one network, and (with
    less bandwidth, and two of each) on both segments."""
    for name, segments, bridge, card in (
        ("compute0", ("OTHER",), 5000, 10000), ("compute1", ("MSN_S1",), 5000, 10000),
        ("compute2", ("MSN_S2",), 5000, 10000), ("compute3", ("MSN_S1", "MSN_S2"), 1000, 1000),
    ):  # fmt: skip
        host = env[name] = make.provider(name)
        for resource_class, total in (("VCPU", 8), ("MEMORY_MB", 4096), ("DISK_GB", 500)):
            make.inventory(host, resource_class, total)
        switch = env[f"{name}:ovs_agent"] = make.provider(f"{name}:Open vSwitch agent", parent=host)
        make.inventory(switch, "NET_PACKET_RATE_KILOPACKET_PER_SEC", 1000)
        make.traits(switch, NORMAL)
        cards = env[f"{name}:sriov_agent"] = make.provider(f"{name}:NIC Switch agent", parent=host)
        make.traits(cards, *DIRECT)
        for order, segment in enumerate(segments):
            ex = "br-ex" if order == 0 else "br-ex2"
            made = make.provider(f"{name}:Open vSwitch agent:{ex}", parent=switch)
            env[f"{name}:{ex.replace('-', '_')}"] = made
            _bandwidth(make, made, bridge, NORMAL, f"CUSTOM_PHYSNET_{segment}")
            made = env[f"{name}:pf{order}"] = make.provider(
                f"{name}:NIC Switch agent:enp129s0f{order}", parent=cards
            )
            _bandwidth(make, made, card, *DIRECT, f"CUSTOM_PHYSNET_{segment}")


def _bandwidth(make: Maker, provider: str, rate: int, *traits: str) -> None:
    for resource_class in BANDWIDTH:
        make.inventory(provider, resource_class, rate)
    make.traits(provider, *traits)
