"""The texts of a fake function's files, as the kernel prints them when the host has just started."""

from vfio.sim.function import FakeFunction

_MEMORY_64_PREFETCHABLE = 0x0014220C
_BAR_START = 0x38_0000_0000_00
_UNUSED_BAR = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
_CPUS_OF_NODE = 16
_DISPLAY = 0x0300
_BRIDGE_BASE = 0x06
# drivers/pci/pcie/aer.c prints one line for each bit and a total.
_CORRECTABLE = ("RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout", "NonFatalErr", "CorrIntErr", "HeaderOF")
_UNCORRECTABLE = (
    "Undefined", "DLP", "SDES", "TLP", "FCP", "CmpltTO", "CmpltAbrt", "UnxCmplt", "RxOF", "MalfTLP", "ECRC",
    "UnsupReq", "ACSViol", "UncorrIntErr", "BlockedTLP", "AtomicOpBlocked", "TLPBlockedErr",
    "PoisonTLPBlocked",
)  # fmt: skip
AER_FILES = {
    "aer_dev_correctable": (_CORRECTABLE, "TOTAL_ERR_COR"),
    "aer_dev_nonfatal": (_UNCORRECTABLE, "TOTAL_ERR_NONFATAL"),
    "aer_dev_fatal": (_UNCORRECTABLE, "TOTAL_ERR_FATAL"),
}


def attributes(function: FakeFunction) -> dict[str, str]:
    """All but links, `config` and what depends on the driver."""
    subsystem = function.subsystem or (function.vendor, 0x0001)
    texts = {
        "vendor": f"0x{function.vendor:04x}\n",
        "device": f"0x{function.product:04x}\n",
        "subsystem_vendor": f"0x{subsystem[0]:04x}\n",
        "subsystem_device": f"0x{subsystem[1]:04x}\n",
        "class": f"0x{function.class_code:06x}\n",
        "revision": "0x01\n",
        "driver_override": "(null)\n",
        "numa_node": f"{function.numa_node}\n",
        "local_cpulist": f"{cpus_of(function.numa_node)}\n",
        "resource": resource(function.bar_sizes),
        "enable": "0\n" if function.physfn else "1\n",
        "power_state": "D0\n",
        "d3cold_allowed": "1\n",
        "power/control": "auto\n" if function.class_code >> 16 == _BRIDGE_BASE else "on\n",
        "ari_enabled": f"{int(function.physfn is not None)}\n",
        "remove": "",
    }
    for index in range(len(function.bar_sizes) if function.physfn is None else 0):
        # Empty: a real one is as long as its BAR, and nobody reads a device's memory in a fake host.
        texts[f"resource{2 * index}"] = ""
    for index in function.resizable_bars:
        # Bit n: 2^n MiB; it can be this size and all smaller ones.
        largest = function.bar_sizes[index // 2].bit_length() - 21
        texts[f"resource{index}_resize"] = f"{(2 << largest) - 1:016x}\n"
    if function.reset_methods:
        texts |= {"reset_method": " ".join(function.reset_methods) + "\n", "reset": ""}
    if function.class_code >> 8 == _DISPLAY:
        texts["boot_vga"] = f"{int(function.boot_vga)}\n"
    if function.physfn is None and function.link is not None:
        texts |= {name: aer_text(name, {}) for name in AER_FILES}
    return texts | _link(function) | _sriov(function)


def _link(function: FakeFunction) -> dict[str, str]:
    """A VF shows what its PF could do and no current link: those bits are reserved in it."""
    if function.link is None:
        return {}
    speed, width = f"{function.link[0]} GT/s PCIe\n", f"{function.link[1]}\n"
    current = ("Unknown\n", "0\n") if function.physfn else (speed, width)
    return {
        "max_link_speed": speed,
        "max_link_width": width,
        "current_link_speed": current[0],
        "current_link_width": current[1],
    }


def _sriov(function: FakeFunction) -> dict[str, str]:
    if not function.total_vfs:
        return {}
    return {
        "sriov_totalvfs": f"{function.total_vfs}\n",
        "sriov_numvfs": "0\n",
        "sriov_drivers_autoprobe": "1\n",
        "sriov_offset": f"{function.sriov.offset}\n",
        "sriov_stride": f"{function.sriov.stride}\n",
        "sriov_vf_device": f"{function.vf_product:x}\n",
        "sriov_vf_total_msix": f"{function.sriov.msix}\n",
    }


def cpus_of(node: int) -> str:
    """The processors near a node; all, when the kernel does not know the node."""
    start = node * _CPUS_OF_NODE
    return f"{start}-{start + _CPUS_OF_NODE - 1}" if node >= 0 else f"0-{2 * _CPUS_OF_NODE - 1}"


def aer_text(name: str, counts: dict[str, int]) -> str:
    """One counters' file; `counts` by the names of its lines, all others 0."""
    words, total = AER_FILES[name]
    rows = [f"{word} {counts.get(word, 0)}" for word in words]
    return "\n".join((*rows, f"{total} {sum(counts.values())}")) + "\n"


def uevent(function: FakeFunction, driver: str | None) -> str:
    subsystem = function.subsystem or (function.vendor, 0x0001)
    rows = [f"DRIVER={driver}"] if driver else []
    rows += [
        f"PCI_CLASS={function.class_code:X}",
        f"PCI_ID={function.vendor:04X}:{function.product:04X}",
        f"PCI_SUBSYS_ID={subsystem[0]:04X}:{subsystem[1]:04X}",
        f"PCI_SLOT_NAME={function.address}",
    ]
    return "\n".join(rows) + "\n"


def vital_product_data(function: FakeFunction) -> bytes:
    """The card's name and serial number (PCI's VPD: a string tag, a read-only list, an end)."""
    name = f"simulated {function.vendor:04x}:{function.product:04x}".encode()
    serial = function.serial.encode()
    fields = b"SN" + bytes([len(serial)]) + serial
    return (
        b"\x82"
        + len(name).to_bytes(2, "little")
        + name
        + b"\x90"
        + len(fields).to_bytes(2, "little")
        + fields
    ) + b"\x78"


def resource(bar_sizes: tuple[int, ...]) -> str:
    """Thirteen lines: six BARs (a 64-bit one takes two), the ROM, the VFs' BARs."""
    rows = []
    for size in bar_sizes:
        rows.append(f"0x{_BAR_START:016x} 0x{_BAR_START + size - 1:016x} 0x{_MEMORY_64_PREFETCHABLE:016x}\n")
        rows.append(_UNUSED_BAR)
    return "".join(rows + [_UNUSED_BAR] * (13 - len(rows)))
