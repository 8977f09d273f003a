"""NAT networks in libvirt: bring one to its spec, read who got which address."""

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.libvirt.api import Lease, VirNetwork
from hypervisor_drivers.libvirt.codes import AddressKind, ErrorCode
from hypervisor_drivers.libvirt.connection import Connection, LibvirtError
from hypervisor_drivers.libvirt.network_xml import differences, network_seen, network_xml
from hypervisor_drivers.spec import NetworkSpec


def ensure_network(connection: Connection, spec: NetworkSpec) -> None:
    """Defined, active, autostarted. A different network of that name is replaced while no guest is on it."""
    network = find_network(connection, spec.name)
    if network is None:
        network = _define(connection, spec, uuid=None)
    else:
        network = _as_wanted(connection, network, spec)
    with connection.asking(f"autostarting network {spec.name}"):
        if not network.autostart():
            network.setAutostart(1)
    _start(connection, network, spec)


def find_network(connection: Connection, name: str) -> VirNetwork | None:
    try:
        with connection.asking(f"finding network {name}") as libvirt:
            return libvirt.networkLookupByName(name)
    except LibvirtError as error:
        if error.code == ErrorCode.NO_NETWORK:
            return None
        raise


def leases(connection: Connection, name: str, mac: str) -> list[Lease]:
    """What the network's DHCP server gave to `mac`; empty when there is no such network."""
    network = find_network(connection, name)
    if network is None:
        return []
    with connection.asking(f"reading the leases of network {name}"):
        return network.DHCPLeases(mac)


def newest_address(of: list[Lease]) -> str | None:
    """A guest that came back under another client id leaves its old lease behind: the newest is right."""
    usable = [lease for lease in of if lease["type"] == AddressKind.IPV4]
    return max(usable, key=lambda lease: lease["expirytime"])["ipaddr"] if usable else None


def _as_wanted(connection: Connection, network: VirNetwork, spec: NetworkSpec) -> VirNetwork:
    with connection.asking(f"reading network {spec.name}"):
        seen = network_seen(network.XMLDesc())
        active = bool(network.isActive())
    wrong = differences(seen, spec)
    if not wrong:
        return network
    if seen.connections:
        raise DriverRefused(
            f"network {spec.name} exists but {', '.join(wrong)}, and {seen.connections} running guests "
            f"use it: stop them, or set the agent's network options to what is there"
        )
    if active:
        with connection.asking(f"stopping network {spec.name} to replace it"):
            network.destroy()
    return _define(connection, spec, uuid=seen.uuid)


def _define(connection: Connection, spec: NetworkSpec, *, uuid: str | None) -> VirNetwork:
    try:
        with connection.asking(f"defining network {spec.name}") as libvirt:
            return libvirt.networkDefineXML(network_xml(spec, uuid=uuid))
    except LibvirtError as error:
        raise _told_apart(error, spec) from error


def _start(connection: Connection, network: VirNetwork, spec: NetworkSpec) -> None:
    try:
        with connection.asking(f"starting network {spec.name}"):
            if not network.isActive():
                network.create()
    except LibvirtError as error:
        raise _told_apart(error, spec) from error


def _told_apart(error: LibvirtError, spec: NetworkSpec) -> DriverError:
    """Libvirt has no code of its own for what is taken, only these words under INTERNAL_ERROR."""
    text = str(error)
    if error.code == ErrorCode.INTERNAL_ERROR and "already in use" in text:
        advice = (
            f"choose another network for the agent (it wants {spec.cidr} on {spec.bridge}), or free this one"
        )
        return DriverRefused(f"{text}: {advice}")
    return error
