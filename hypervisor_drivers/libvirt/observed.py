"""Libvirt's domain XML and state to DomainSeen. Pure."""

from uuid import UUID
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypervisor_drivers.libvirt.codes import ShutoffReason, State
from hypervisor_drivers.libvirt.metadata_xml import read_metadata
from hypervisor_drivers.spec import DomainSeen, DomainState

_STATES = {
    State.RUNNING: DomainState.RUNNING,
    State.BLOCKED: DomainState.RUNNING,
    State.SHUTDOWN: DomainState.RUNNING,  # on its way down, its process and devices still in use
    State.PAUSED: DomainState.PAUSED,
    State.PMSUSPENDED: DomainState.PAUSED,
    State.CRASHED: DomainState.CRASHED,
    State.SHUTOFF: DomainState.SHUTOFF,
}


def domain_seen(xml: str, state: int, reason: int) -> DomainSeen | None:
    """None for a domain that is not kcloud's. Hostdevs and MACs are what `xml` holds: of a running domain
    that is what the guest has, whatever was defined since."""
    domain = ElementTree.fromstring(xml)  # noqa: S314 - written by libvirt, not by a guest
    metadata = read_metadata(domain)
    if metadata is None:
        return None
    return DomainSeen(
        uuid=UUID(domain.findtext("uuid", "")),
        name=domain.findtext("name", ""),
        state=domain_state(state, reason),
        metadata=metadata,
        hostdevs=tuple(_address(source) for source in domain.iterfind(_PCI_SOURCES)),
        macs=tuple(mac.get("address", "") for mac in domain.iterfind("devices/interface/mac")),
        mdevs=tuple(UUID(source.get("uuid", "")) for source in domain.iterfind(_MDEV_SOURCES)),
    )


_PCI_SOURCES = "devices/hostdev[@mode='subsystem'][@type='pci']/source/address"
_MDEV_SOURCES = "devices/hostdev[@mode='subsystem'][@type='mdev']/source/address"


def domain_state(state: int, reason: int) -> DomainState:
    """A guest whose emulator died is `shutoff` to libvirt; the reason tells it from an ordinary end."""
    if state == State.SHUTOFF and reason == ShutoffReason.CRASHED:
        return DomainState.CRASHED
    return _STATES.get(State(state), DomainState.SHUTOFF)


def networks_by_mac(xml: str) -> dict[str, str]:
    """Which network each of the domain's NICs is on."""
    domain = ElementTree.fromstring(xml)  # noqa: S314 - written by libvirt, not by a guest
    found: dict[str, str] = {}
    for interface in domain.iterfind("devices/interface[@type='network']"):
        mac, source = interface.find("mac"), interface.find("source")
        if mac is not None and source is not None:
            found[mac.get("address", "")] = source.get("network", "")
    return found


def _address(source: Element) -> str:
    domain, bus, slot, function = (
        int(source.get(part, "0"), 16) for part in ("domain", "bus", "slot", "function")
    )
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"
