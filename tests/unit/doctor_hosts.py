"""Simulated hosts with all that a healthy system shows besides its PCI functions, for tests of the doctor."""

from pathlib import Path

from vfio.sim.host import FakeHost
from vfio.sim.trees import build

RELEASE = "6.12.0-amd64"
COMMAND_LINE = "BOOT_IMAGE=/vmlinuz root=/dev/nvme0n1p1 ro quiet intel_iommu=on"
MODULES = (
    "bridge", "iommufd", "kvm", "kvm_intel", "mdev", "nvidia", "nvidia_vgpu_vfio", "tun", "vfio",
    "vfio_iommu_type1", "vfio_pci",
)  # fmt: skip
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "genisoimage", "nft", "dnsmasq", "mdevctl")
PAGES = 1024
"""Hugepages of 2 MiB on each node."""
D = "sys/bus/pci/devices"


def healthy(name: str, folder: Path) -> FakeHost:
    """A simulated machine (vfio.sim.trees) on which the doctor finds nothing but what its name says."""
    host = build(name, folder)
    _kernel(host)
    _memory(host)
    _system(host)
    return host


def parameter(host: FakeHost, name: str, value: str) -> None:
    """`kvm_intel.nested` and its like."""
    module, _, key = name.partition(".")
    host.put(f"sys/module/{module}/parameters/{key}", f"{value}\n")


def modules(host: FakeHost, *, without: tuple[str, ...] = ()) -> None:
    """Loaded ones; also what sysfs keeps of them."""
    left = [name for name in MODULES if name not in without]
    host.put("proc/modules", "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in left))


def installed(host: FakeHost, *, without: tuple[str, ...] = ()) -> None:
    left = [name.replace("_", "-") for name in MODULES if name not in without]
    host.put(f"lib/modules/{RELEASE}/modules.dep", "".join(f"kernel/x/{name}.ko.xz:\n" for name in left))


def command_line(host: FakeHost, words: str) -> None:
    host.put("proc/cmdline", f"{COMMAND_LINE} {words}\n")


def nodes_of(host: FakeHost) -> list[str]:
    folder = host.sysfs().root / "sys/devices/system/node"
    return sorted(path.name for path in folder.glob("node[0-9]*"))


def process(host: FakeHost, pid: int, name: str, *, opens: str | None = None) -> None:
    """A process, perhaps with a file open."""
    host.put(f"proc/{pid}/comm", f"{name}\n")
    if opens is not None:
        folder = host.sysfs().root / f"proc/{pid}/fd"
        folder.mkdir(parents=True)
        (folder / "7").symlink_to(opens)


def daemon(host: FakeHost, *, memlock: str, capabilities: str) -> None:
    process(host, 900, "libvirtd")
    host.put(
        "proc/900/limits", f"Max locked memory         {memlock}            {memlock}            bytes\n"
    )
    host.put("proc/900/status", f"Name:\tlibvirtd\nCapEff:\t{capabilities}\n")


def config(host: FakeHost, address: str, changes: dict[int, bytes]) -> None:
    """Bytes of a function's config space, by offset."""
    path = host.sysfs().root / D / address / "config"
    data = bytearray(path.read_bytes())
    for offset, value in changes.items():
        data[offset : offset + len(value)] = value
    path.write_bytes(bytes(data))


def _kernel(host: FakeHost) -> None:
    host.put("proc/sys/kernel/osrelease", f"{RELEASE}\n")
    host.put("proc/cmdline", f"{COMMAND_LINE}\n")
    host.put("proc/sys/kernel/tainted", "12289\n")  # proprietary, out of tree, unsigned: modules of vendors
    host.put("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
    host.put("etc/modprobe.d/blacklist.conf", "# not wanted\nblacklist nouveau\n")
    host.put("sys/class/iommu/dmar0/uevent", "")
    host.put("sys/firmware/acpi/tables/DMAR", "")
    host.put(
        "proc/interrupts", "  CPU0\n 24: 0  IR-PCI-MSIX-0000:01:00.0 0-edge nvme0q0\n 2: 0 IR-IO-APIC 2\n"
    )
    modules(host)
    installed(host)
    for name, value in {
        "vfio.enable_unsafe_noiommu_mode": "N",
        "vfio_iommu_type1.allow_unsafe_interrupts": "N",
        "vfio_iommu_type1.disable_hugepages": "N",
        "vfio_iommu_type1.dma_entry_limit": "65535",
        "vfio_pci.ids": "",
        "vfio_pci.disable_idle_d3": "N",
        "kvm_intel.nested": "Y",
    }.items():
        parameter(host, name, value)


def _memory(host: FakeHost) -> None:
    nodes = nodes_of(host)
    total = len(nodes or ["all"]) * PAGES
    host.put("proc/meminfo", f"MemTotal:  {1 << 30} kB\nHugePages_Total: {total}\nHugepagesize:    2048 kB\n")
    host.put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", f"{total}\n")
    host.put("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n")
    host.put("etc/sysctl.d/60-kcloud.conf", f"vm.nr_hugepages = {total}\n")
    for node in nodes:
        pool = f"sys/devices/system/node/{node}/hugepages"
        host.put(f"{pool}/hugepages-2048kB/nr_hugepages", f"{PAGES}\n")
        host.put(f"{pool}/hugepages-1048576kB/nr_hugepages", "0\n")
    rows = [f"Node {node[4:]}, zone   Normal  9 8 7 6 5 4 3 2 1 900 700\n" for node in nodes]
    host.put("proc/buddyinfo", "".join(rows))


def _system(host: FakeHost) -> None:
    host.put(
        "proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n"
        "address sizes\t: 46 bits physical, 48 bits virtual\n\nprocessor\t: 1\n",
    )
    for name in PROGRAMS:
        host.put(f"usr/bin/{name}", "")
    for name in ("null", "kvm", "net/tun"):
        host.put(f"dev/{name}", "")
    process(host, 1, "systemd", opens="/dev/null")
    daemon(host, memlock="67108864", capabilities="000001ffffffffff")
