"""DomainSpec to libvirt's domain XML, one small function per device. Pure.

Everything that libvirt would otherwise choose (machine, controllers, PCI addresses) is said here, so that a
definition is the same on every host and a guest finds its devices where it left them. Each PCI device sits
alone behind a pcie-root-port of its own, hostdevs last: a claim more or less moves no other device.
"""

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.libvirt.metadata_xml import metadata_element
from hypervisor_drivers.spec import DiskSpec, DomainSpec, HostdevSpec, NicSpec

_PORTS_PER_SLOT = 8
_FIRST_PORT_SLOT = 2
"""Slots 0 and 1 are the host bridge and the place for a display; 31 is the chipset's own."""


def domain_xml(spec: DomainSpec) -> str:
    domain = Element("domain", {"type": spec.virt_type})
    _identity(domain, spec)
    _memory_and_cpus(domain, spec)
    _platform(domain, spec)
    _lifecycle(domain)
    devices = SubElement(domain, "devices")
    pci_devices = [*_pci_devices(spec)]
    _controllers(devices, ports=len(pci_devices))
    for bus, device in enumerate(pci_devices, start=1):
        device.append(_pci_address(bus=bus))
        devices.append(device)
    _console(devices, spec)
    if spec.hostdevs:
        SubElement(devices, "memballoon", {"model": "none"})
    ElementTree.indent(domain)
    return ElementTree.tostring(domain, encoding="unicode") + "\n"


def one_line(text: str) -> str:
    """Libvirt refuses line ends in a title, and XML cannot carry most control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _pci_devices(spec: DomainSpec) -> Iterator[Element]:
    names = (f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    for disk in spec.disks:
        yield _disk(disk, next(names))
    for nic in spec.nics:
        yield _nic(nic)
    yield _rng()
    if not spec.hostdevs:
        yield Element("memballoon", {"model": "virtio"})
    for hostdev in spec.hostdevs:
        yield _hostdev(hostdev)


def _identity(domain: Element, spec: DomainSpec) -> None:
    _text(domain, "name", spec.name)
    _text(domain, "uuid", str(spec.uuid))
    if spec.title:
        _text(domain, "title", one_line(spec.title))
    SubElement(domain, "metadata").append(metadata_element(spec.metadata))


def _memory_and_cpus(domain: Element, spec: DomainSpec) -> None:
    _text(domain, "memory", str(spec.memory_mib), unit="MiB")
    if spec.hostdevs:
        # A device reads and writes guest memory at any time: none of it may be swapped out.
        SubElement(SubElement(domain, "memoryBacking"), "locked")
    _text(domain, "vcpu", str(spec.vcpus), placement="static")


def _platform(domain: Element, spec: DomainSpec) -> None:
    os = SubElement(domain, "os")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    SubElement(os, "boot", {"dev": "hd"})
    features = SubElement(domain, "features")
    SubElement(features, "acpi")
    SubElement(features, "apic")
    # Without KVM there is no host CPU to pass through: take all that the emulator can do.
    mode = (
        {"mode": "host-passthrough", "migratable": "on"} if spec.virt_type == "kvm" else {"mode": "maximum"}
    )
    SubElement(domain, "cpu", {**mode, "check": "none"})
    clock = SubElement(domain, "clock", {"offset": "utc"})
    if spec.virt_type == "kvm":
        SubElement(clock, "timer", {"name": "rtc", "tickpolicy": "catchup"})
        SubElement(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
        SubElement(clock, "timer", {"name": "hpet", "present": "no"})


def _lifecycle(domain: Element) -> None:
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    # A guest that sleeps holds its devices and answers nobody.
    power = SubElement(domain, "pm")
    SubElement(power, "suspend-to-mem", {"enabled": "no"})
    SubElement(power, "suspend-to-disk", {"enabled": "no"})


def _controllers(devices: Element, *, ports: int) -> None:
    SubElement(devices, "controller", {"type": "pci", "index": "0", "model": "pcie-root"})
    for index in range(1, ports + 1):
        slot, function = divmod(index - 1, _PORTS_PER_SLOT)
        port = SubElement(
            devices, "controller", {"type": "pci", "index": str(index), "model": "pcie-root-port"}
        )
        SubElement(port, "model", {"name": "pcie-root-port"})
        SubElement(port, "target", {"chassis": str(index), "port": hex(index)})
        address = _pci_address(bus=0, slot=_FIRST_PORT_SLOT + slot, function=function)
        if function == 0:
            address.set("multifunction", "on")
        port.append(address)
    SubElement(devices, "controller", {"type": "usb", "index": "0", "model": "none"})


def _disk(disk: DiskSpec, name: str) -> Element:
    """A cdrom becomes a read-only virtio disk: cloud kernels carry no AHCI driver, and cloud-init finds the
    config drive by its label on any bus."""
    element = Element("disk", {"type": "file", "device": "disk"})
    driver = {"name": "qemu", "type": disk.format, "cache": "writeback"}
    if disk.device != "cdrom":
        driver["discard"] = "unmap"
    SubElement(element, "driver", driver)
    SubElement(element, "source", {"file": str(disk.path)})
    SubElement(element, "target", {"dev": name, "bus": "virtio"})
    if disk.device == "cdrom":
        SubElement(element, "readonly")
    return element


def _nic(nic: NicSpec) -> Element:
    element = Element("interface", {"type": "network"})
    SubElement(element, "mac", {"address": nic.mac})
    SubElement(element, "source", {"network": nic.network})
    SubElement(element, "model", {"type": "virtio"})
    return element


def _rng() -> Element:
    element = Element("rng", {"model": "virtio"})
    _text(element, "backend", "/dev/urandom", model="random")
    return element


def _hostdev(hostdev: HostdevSpec) -> Element:
    """The agent has bound the device and will take it back: libvirt must not (managed='no')."""
    element = Element("hostdev", {"mode": "subsystem", "type": "pci", "managed": "no"})
    SubElement(element, "driver", {"name": "vfio"})
    domain, bus, place = hostdev.address.split(":")
    slot, function = place.split(".")
    where = {"domain": f"0x{domain}", "bus": f"0x{bus}", "slot": f"0x{slot}", "function": f"0x{function}"}
    SubElement(SubElement(element, "source"), "address", where)
    return element


def _console(devices: Element, spec: DomainSpec) -> None:
    serial = SubElement(devices, "serial", {"type": "file"})
    SubElement(serial, "source", {"path": str(spec.console_log), "append": "on"})
    target = SubElement(serial, "target", {"type": "isa-serial", "port": "0"})
    SubElement(target, "model", {"name": "isa-serial"})


def _pci_address(*, bus: int, slot: int = 0, function: int = 0) -> Element:
    where = {"bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}", "function": f"0x{function}"}
    return Element("address", {"type": "pci", "domain": "0x0000", **where})


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text
