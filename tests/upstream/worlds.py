"""The worlds that upstream's tests begin in, by the names of upstream's fixtures.

A world is made through our REST API; it returns what the tests find in `$ENVIRON`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from tests.upstream.maker import Maker
from tests.upstream.network_worlds import deep_numa_network, multi_segment_network, numa_network

Environ = dict[str, str]

SHARES = "MISC_SHARES_VIA_AGGREGATE"
RANDOM = (
    "RP_UUID", "RP_NAME", "RP_UUID1", "RP_NAME1", "RP_UUID2", "RP_NAME2", "PROJECT_ID", "ADMIN_PROJECT_ID",
    "SERVICE_PROJECT_ID", "USER_ID", "PROJECT_ID_ALT", "USER_ID_ALT", "INSTANCE_UUID", "MIGRATION_UUID",
    "CONSUMER_UUID", "PARENT_PROVIDER_UUID", "ALT_PARENT_PROVIDER_UUID",
)  # fmt: skip
CLASSES = {
    "CUSTOM_RES_CLASS": "CUSTOM_IRON_NFV",
    "CUSTOM_RES_CLASS1": "CUSTOM_IRON_NFV1",
    "CUSTOM_RES_CLASS2": "CUSTOM_IRON_NFV2",
}


def basics() -> Environ:
    """What every test finds: names and ids of things that are not there yet."""
    return {name: str(uuid4()) for name in RANDOM} | CLASSES


def nothing(make: Maker, env: Environ) -> None:
    """An empty service."""


def allocations(make: Maker, env: Environ) -> None:
    """One provider, partly used by two users of one project."""
    mine = {"project": env["PROJECT_ID"], "user": env["USER_ID"]}
    env["ALT_USER_ID"] = str(uuid4())
    make.provider(env["RP_NAME"], uuid=env["RP_UUID"])
    make.inventory(env["RP_UUID"], "DISK_GB", 2048, step_size=10, min_unit=10, max_unit=1000)
    make.inventory(env["RP_UUID"], "VCPU", 10)
    env["CONSUMER_0"] = make.allocation(env["RP_UUID"], {"DISK_GB": 1000}, **mine)
    env["CONSUMER_ID"] = make.allocation(env["RP_UUID"], {"VCPU": 6}, **mine)
    other = {**mine, "user": env["ALT_USER_ID"]}
    env["ALT_CONSUMER_ID"] = make.allocation(env["RP_UUID"], {"DISK_GB": 20, "VCPU": 1}, **other)
    env |= {"ALT_RP_UUID": str(uuid4()), "ALT_RP_NAME": str(uuid4())}


def shared_storage(make: Maker, env: Environ) -> None:
    """Two hosts, one with a disk of its own, and two shared disks; under each host two NUMA nodes, and under
    each of those a network function."""
    shared = env["AGG_UUID"] = str(uuid4())
    for name in ("cn1", "cn2", "ss", "ss2"):
        env[f"{name.upper()}_UUID"] = make.provider(name, shared)
    for host in ("1", "2"):
        for node in (f"{host}_1", f"{host}_2"):
            numa = env[f"NUMA{node}_UUID"] = make.provider(f"numa{node}", parent=env[f"CN{host}_UUID"])
            env[f"PF{node}_UUID"] = make.provider(f"pf{node}", parent=numa)
            make.inventory(env[f"PF{node}_UUID"], "SRIOV_NET_VF", 8)
        make.inventory(env[f"CN{host}_UUID"], "VCPU", 24, allocation_ratio=16.0)
        make.inventory(env[f"CN{host}_UUID"], "MEMORY_MB", 128 * 1024, allocation_ratio=1.5)
    make.traits(env["CN1_UUID"], "HW_CPU_X86_SSE", "HW_CPU_X86_SSE2")
    for disk in ("CN2_UUID", "SS_UUID", "SS2_UUID"):
        make.inventory(env[disk], "DISK_GB", 2000, reserved=100)
    for disk in ("SS_UUID", "SS2_UUID"):
        make.traits(env[disk], SHARES)


def numa_aggregates(make: Maker, env: Environ) -> None:
    """Two hosts without anything of their own, with processors in their NUMA nodes; one shared disk reaches
    both hosts, another only one of the nodes."""
    env |= {name: str(uuid4()) for name in ("AGGA_UUID", "AGGB_UUID", "AGGC_UUID")}
    first, second, third = env["AGGA_UUID"], env["AGGB_UUID"], env["AGGC_UUID"]
    env["CN1_UUID"] = make.provider("cn1", first)
    env["CN2_UUID"] = make.provider("cn2", first, second)
    env["SS1_UUID"] = make.provider("ss1", first)
    env["SS2_UUID"] = make.provider("ss2", third)
    for node, aggregates in (("1_1", [third]), ("1_2", []), ("2_1", []), ("2_2", [])):
        numa = make.provider(f"numa{node}", *aggregates, parent=env[f"CN{node[0]}_UUID"])
        env[f"NUMA{node}_UUID"] = numa
        make.inventory(numa, "VCPU", 24, allocation_ratio=16.0)
    for disk in ("SS1_UUID", "SS2_UUID"):
        make.inventory(env[disk], "DISK_GB", 2000, reserved=100)
        make.traits(env[disk], SHARES)


def own_storage(make: Maker, env: Environ) -> None:
    """Three equal hosts that share nothing."""
    env |= {name: str(uuid4()) for name in ("AGGA_UUID", "AGGB_UUID", "AGGC_UUID")}
    for host in ("cn1", "cn2", "cn3"):
        made = env[f"{host.upper()}_UUID"] = make.provider(host)
        for name, total in (("VCPU", 24), ("MEMORY_MB", 128 * 1024), ("DISK_GB", 2000)):
            make.inventory(made, name, total)


def granular(make: Maker, env: Environ) -> None:
    """Three hosts and three sharing providers in overlapping aggregates."""
    env |= {name: str(uuid4()) for name in ("AGGA", "AGGB", "AGGC")}
    host = {"VCPU": 8, "MEMORY_MB": 4096}
    network = {"SRIOV_NET_VF": 8, "CUSTOM_NET_MBPS": 4000}
    processor = ("HW_CPU_X86_AVX", "HW_CPU_X86_AVX2")
    for name, aggregates, stocks, traits in (
        ("cn_left", "A", {**host, "DISK_GB": 500, "VGPU": 8, **network},
         (*processor, "HW_GPU_API_DXVA", "HW_NIC_DCB_PFC", "CUSTOM_FOO")),
        ("cn_middle", "AB", {**host, **network}, (*processor, "HW_CPU_X86_SSE", "HW_NIC_ACCEL_TLS")),
        ("cn_right", "BC", {**host, "DISK_GB": 500},
         ("HW_CPU_X86_MMX", "HW_GPU_API_DXVA", "CUSTOM_DISK_SSD")),
        ("shr_disk_1", "A", {"DISK_GB": 1000}, (SHARES, "CUSTOM_DISK_SSD")),
        ("shr_disk_2", "AB", {"DISK_GB": 1000}, (SHARES,)),
        ("shr_net", "C", {"SRIOV_NET_VF": 16, "CUSTOM_NET_MBPS": 40000}, (SHARES,)),
    ):  # fmt: skip
        made = env[name.upper()] = make.provider(name, *(env[f"AGG{letter}"] for letter in aggregates))
        for resource_class, total in stocks.items():
            make.inventory(made, resource_class, total)
        make.traits(made, *traits)
    make.inventory(env["CN_RIGHT"], "VGPU", 8, max_unit=2)


@dataclass(frozen=True, slots=True)
class World:
    build: Callable[[Maker, Environ], None] = nothing
    kind: str = "plain"
    """The policy and options it runs under (stage.py)."""


WORLDS: Mapping[str, World] = {
    "APIFixture": World(),
    "AllocationFixture": World(allocations),
    "CORSFixture": World(kind="cors"),
    "DeepNUMANetworkFixture": World(deep_numa_network),
    "GranularFixture": World(granular),
    "LegacyRBACPolicyFixture": World(kind="legacy"),
    "NUMAAggregateFixture": World(numa_aggregates),
    "NUMANetworkFixture": World(numa_network),
    "NeutronQoSMultiSegmentFixture": World(multi_segment_network),
    "NonSharedStorageFixture": World(own_storage),
    "OpenPolicyFixture": World(kind="open"),
    "SecureRBACPolicyFixture": World(kind="secure"),
    "SharedStorageFixture": World(shared_storage),
}
