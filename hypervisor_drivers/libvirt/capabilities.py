"""Libvirt's own account of the host to Capabilities. Pure."""

from dataclasses import dataclass
from xml.etree import ElementTree

from hypervisor_drivers.spec import Capabilities

_ALWAYS = (
    "COMPUTE_GRAPHICS_MODEL_NONE",
    "COMPUTE_IMAGE_TYPE_QCOW2",
    "COMPUTE_IMAGE_TYPE_RAW",
    "COMPUTE_NET_VIF_MODEL_VIRTIO",
    "COMPUTE_STORAGE_BUS_VIRTIO",
)
"""Traits (os-traits' names) that hold of every domain that domain_xml writes."""


@dataclass(frozen=True, slots=True)
class HostXml:
    """What virConnectGetCapabilities says that matters here."""

    arch: str
    emulators: dict[str, str]
    """Path of the emulator by guest architecture."""
    virt_types: frozenset[str]
    """What libvirt would try for a guest of the host's architecture: `qemu`, `kvm`. Not yet what works."""


def host_xml(xml: str) -> HostXml:
    root = ElementTree.fromstring(xml)  # noqa: S314 - written by libvirt
    arch = root.findtext("host/cpu/arch", "")
    emulators: dict[str, str] = {}
    virt_types: set[str] = set()
    for guest in root.findall("guest/arch"):
        name = guest.get("name", "")
        emulators[name] = guest.findtext("emulator", "")
        if name == arch:
            virt_types = {domain.get("type", "") for domain in guest.findall("domain")}
    return HostXml(arch, emulators, frozenset(virt_types))


@dataclass(frozen=True, slots=True)
class Node:
    """What virConnectGetType, GetVersion and virNodeGetInfo say."""

    hypervisor: str
    version: int
    vcpus: int
    memory_mib: int


def capabilities(host: HostXml, node: Node, virt_type: str) -> Capabilities:
    trait = f"HW_ARCH_{host.arch.upper()}"
    return Capabilities(
        hypervisor_type=node.hypervisor,
        version=dotted(node.version),
        virt_type=virt_type,
        arch=host.arch,
        vcpus=node.vcpus,
        memory_mib=node.memory_mib,
        traits=tuple(sorted((*_ALWAYS, trait))),
    )


def dotted(version: int) -> str:
    """Libvirt packs 7.2.22 into 7002022."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
