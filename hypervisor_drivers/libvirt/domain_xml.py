"""DomainSpec to libvirt's domain XML, one small function per device. Pure.

Everything that libvirt would otherwise choose (machine, controllers, PCI addresses) is said here, so that a
definition is the same on every host and a guest finds its devices where it left them. Each PCI device sits
alone behind a pcie-root-port of its own, hostdevs last: a claim more or less moves no other device.
"""

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.libvirt.guest_numa import cpu_numa, numa_tuning
from hypervisor_drivers.libvirt.metadata_xml import metadata_element
from hypervisor_drivers.libvirt.pci_tree import PciTree, pci_address
from hypervisor_drivers.spec import DiskSpec, DomainSpec, HostdevSpec, MdevSpec, NicSpec


def domain_xml(spec: DomainSpec) -> str:
    domain = Element("domain", {"type": spec.virt_type})
    _identity(domain, spec)
    _memory_and_cpus(domain, spec)
    _platform(domain, spec)
    _lifecycle(domain)
    devices = SubElement(domain, "devices")
    tree = PciTree(spec.cells if spec.has_devices else (), spec.address_space)
    placed = [(device, tree.add_port(cell)) for device, cell in _pci_devices(spec)]
    devices.extend(tree.controllers())
    for device, bus in placed:
        device.append(pci_address(bus=bus))
        devices.append(device)
    _console(devices, spec)
    if spec.has_devices:
        SubElement(devices, "memballoon", {"model": "none"})
    ElementTree.indent(domain)
    return ElementTree.tostring(domain, encoding="unicode") + "\n"


def one_line(text: str) -> str:
    """Libvirt refuses line ends in a title, and XML cannot carry most control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _pci_devices(spec: DomainSpec) -> Iterator[tuple[Element, int | None]]:
    """Each with the NUMA cell that it belongs to."""
    names = (f"vd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    for disk in spec.disks:
        yield _disk(disk, next(names)), None
    for nic in spec.nics:
        yield _nic(nic), None
    yield _rng(), None
    if not spec.has_devices:
        yield Element("memballoon", {"model": "virtio"}), None
    for hostdev in spec.hostdevs:
        yield _hostdev(hostdev), hostdev.cell
    for mdev in spec.mdevs:
        yield _mdev(mdev), mdev.cell


def _identity(domain: Element, spec: DomainSpec) -> None:
    _text(domain, "name", spec.name)
    _text(domain, "uuid", str(spec.uuid))
    if spec.title:
        _text(domain, "title", one_line(spec.title))
    SubElement(domain, "metadata").append(metadata_element(spec.metadata))


def _memory_and_cpus(domain: Element, spec: DomainSpec) -> None:
    _text(domain, "memory", str(spec.memory_mib), unit="MiB")
    if spec.has_devices or spec.page_kib is not None:
        backing = SubElement(domain, "memoryBacking")
        if spec.page_kib is not None:
            SubElement(SubElement(backing, "hugepages"), "page", {"size": str(spec.page_kib), "unit": "KiB"})
        if spec.has_devices:
            # A device reads and writes guest memory at any time: none of it may be swapped out.
            SubElement(backing, "locked")
    _text(domain, "vcpu", str(spec.vcpus), placement="static")
    domain.extend(numa_tuning(spec.cells))


def _platform(domain: Element, spec: DomainSpec) -> None:
    os = SubElement(domain, "os")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    SubElement(os, "boot", {"dev": "hd"})
    features = SubElement(domain, "features")
    SubElement(features, "acpi")
    SubElement(features, "apic")
    domain.append(_cpu(spec))
    clock = SubElement(domain, "clock", {"offset": "utc"})
    if spec.virt_type == "kvm":
        SubElement(clock, "timer", {"name": "rtc", "tickpolicy": "catchup"})
        SubElement(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
        SubElement(clock, "timer", {"name": "hpet", "present": "no"})


def _cpu(spec: DomainSpec) -> Element:
    # Without KVM there is no host CPU to pass through: take all that the emulator can do.
    mode = (
        {"mode": "host-passthrough", "migratable": "on"} if spec.virt_type == "kvm" else {"mode": "maximum"}
    )
    cpu = Element("cpu", {**mode, "check": "none"})
    if spec.address_space is not None:
        bits = spec.address_space.phys_bits
        if bits is not None:
            SubElement(cpu, "maxphysaddr", {"mode": "emulate", "bits": str(bits)})
        elif spec.virt_type == "kvm":
            SubElement(cpu, "maxphysaddr", {"mode": "passthrough"})
    cpu.extend(cpu_numa(spec.cells))
    return cpu


def _lifecycle(domain: Element) -> None:
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    # A guest that sleeps holds its devices and answers nobody.
    power = SubElement(domain, "pm")
    SubElement(power, "suspend-to-mem", {"enabled": "no"})
    SubElement(power, "suspend-to-disk", {"enabled": "no"})


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


def _mdev(mdev: MdevSpec) -> Element:
    """The agent has made it, and will end it."""
    element = Element("hostdev", {"mode": "subsystem", "type": "mdev", "model": "vfio-pci"})
    SubElement(SubElement(element, "source"), "address", {"uuid": str(mdev.uuid)})
    return element


def _console(devices: Element, spec: DomainSpec) -> None:
    serial = SubElement(devices, "serial", {"type": "file"})
    SubElement(serial, "source", {"path": str(spec.console_log), "append": "on"})
    target = SubElement(serial, "target", {"type": "isa-serial", "port": "0"})
    SubElement(target, "model", {"name": "isa-serial"})


def _text(parent: Element, tag: str, text: str, **attributes: str) -> None:
    SubElement(parent, tag, attributes).text = text
