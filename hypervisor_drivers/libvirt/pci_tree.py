"""The guest's PCI tree: a root port for each device, below the root or a NUMA cell's expander. Pure.

A device below a cell's `pxb-pcie` shows the guest the node that the real one sits on, which is what drivers
and collective libraries choose their paths by. Expanders come first, and one for every cell, so that a device
more or less moves no other one.
"""

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from hypervisor_drivers.spec import AddressSpace, CellSpec

_PORTS_PER_SLOT = 8
_FIRST_PORT_SLOT = 2
"""On the root: slots 0 and 1 are the host bridge and the place for a display; 31 is the chipset's own."""
_FIRST_EXPANDER_SLOT = 28
"""On the root, counting down, so that there is room for ports below."""
_BUS_NUMBERS = 256


class PciTree:
    """Add ports in order, then take the controllers."""

    def __init__(self, cells: Sequence[CellSpec], address_space: AddressSpace | None) -> None:
        self._expanders = len(cells)
        self._address_space = address_space
        self._ports: list[tuple[int, int]] = []
        """Of each port: index of the bus that it is on, and which one it is there."""

    def add_port(self, cell: int | None) -> int:
        """A port for one device; returns the bus that the device is on."""
        parent = 0 if cell is None or not self._expanders else 1 + cell
        place = sum(1 for bus, _ in self._ports if bus == parent)
        self._ports.append((parent, place))
        return self._expanders + len(self._ports)

    def controllers(self) -> list[Element]:
        """The root, the expanders, the ports: libvirt wants a controller's index above that of its bus."""
        ports = [self._port(1 + self._expanders + n, *place) for n, place in enumerate(self._ports)]
        expanders = [self._expander(cell) for cell in range(self._expanders)]
        return [self._root(), *expanders, *ports, _no_usb()]

    def _root(self) -> Element:
        root = Element("controller", {"type": "pci", "index": "0", "model": "pcie-root"})
        if self._address_space is not None:
            hole = SubElement(root, "pcihole64", {"unit": "KiB"})
            hole.text = str(self._address_space.hole64_mib * 1024)
        return root

    def _expander(self, cell: int) -> Element:
        """Bus numbers are shared out evenly: each expander's buses come right behind its own."""
        share = _BUS_NUMBERS // (self._expanders + 1)
        expander = Element(
            "controller", {"type": "pci", "index": str(1 + cell), "model": "pcie-expander-bus"}
        )
        SubElement(expander, "model", {"name": "pxb-pcie"})
        target = SubElement(expander, "target", {"busNr": str(share * (1 + cell))})
        SubElement(target, "node").text = str(cell)
        expander.append(pci_address(bus=0, slot=_FIRST_EXPANDER_SLOT - cell))
        return expander

    def _port(self, index: int, parent: int, place: int) -> Element:
        slot, function = divmod(place, _PORTS_PER_SLOT)
        chassis = index - self._expanders
        port = Element("controller", {"type": "pci", "index": str(index), "model": "pcie-root-port"})
        SubElement(port, "model", {"name": "pcie-root-port"})
        SubElement(port, "target", {"chassis": str(chassis), "port": hex(chassis)})
        first = _FIRST_PORT_SLOT if parent == 0 else 0
        address = pci_address(bus=parent, slot=first + slot, function=function)
        if function == 0:
            address.set("multifunction", "on")
        port.append(address)
        return port


def pci_address(*, bus: int, slot: int = 0, function: int = 0) -> Element:
    where = {"bus": f"0x{bus:02x}", "slot": f"0x{slot:02x}", "function": f"0x{function}"}
    return Element("address", {"type": "pci", "domain": "0x0000", **where})


def _no_usb() -> Element:
    return Element("controller", {"type": "usb", "index": "0", "model": "none"})
