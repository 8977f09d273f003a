"""NetworkSpec to libvirt's network XML, and what an existing network differs in. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """A network as libvirt shows it. `uuid` is needed to define it anew."""

    uuid: str
    bridge: str
    forward: str
    cidr: str
    connections: int
    """NICs of running guests on it."""


def network_xml(spec: NetworkSpec, *, uuid: str | None = None) -> str:
    """A NAT network with DHCP over all of `cidr` but its first address, which is the host's."""
    subnet = IPv4Network(spec.cidr)
    network = Element("network")
    SubElement(network, "name").text = spec.name
    if uuid is not None:
        SubElement(network, "uuid").text = uuid
    SubElement(network, "forward", {"mode": "nat"})
    SubElement(network, "bridge", {"name": spec.bridge, "stp": "off", "delay": "0"})
    ip = SubElement(network, "ip", {"address": str(subnet[1]), "netmask": str(subnet.netmask)})
    SubElement(SubElement(ip, "dhcp"), "range", {"start": str(subnet[2]), "end": str(subnet[-2])})
    ElementTree.indent(network)
    return ElementTree.tostring(network, encoding="unicode") + "\n"


def network_seen(xml: str) -> NetworkSeen:
    network = ElementTree.fromstring(xml)  # noqa: S314 - written by libvirt
    bridge, forward = network.find("bridge"), network.find("forward")
    return NetworkSeen(
        uuid=network.findtext("uuid", ""),
        bridge="" if bridge is None else bridge.get("name", ""),
        forward="isolated" if forward is None else forward.get("mode", "nat"),
        cidr=_cidr(network),
        connections=int(network.get("connections", "0")),
    )


def differences(seen: NetworkSeen, spec: NetworkSpec) -> tuple[str, ...]:
    """What a person would have to change; empty when the network is as wanted."""
    wanted = {"bridge": spec.bridge, "forward": "nat", "cidr": str(IPv4Network(spec.cidr))}
    has = {"bridge": seen.bridge, "forward": seen.forward, "cidr": seen.cidr}
    return tuple(
        f"{what} is {has[what] or 'missing'}, not {wanted[what]}"
        for what in wanted
        if has[what] != wanted[what]
    )


def _cidr(network: Element) -> str:
    for ip in network.findall("ip"):
        if ip.get("family", "ipv4") == "ipv4" and ip.find("dhcp") is not None:
            length = ip.get("prefix") or ip.get("netmask", "32")
            return str(IPv4Interface(f"{ip.get('address')}/{length}").network)
    return ""
