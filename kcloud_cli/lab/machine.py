"""The lab host as a QEMU command line: which devices it has and where they sit. Pure.

| address       | what                                                     | IOMMU group                    |
|---------------|----------------------------------------------------------|--------------------------------|
| 0000:00:08.0  | edu, on the root complex                                 | its own                        |
| 0000:01:00.0  | edu, behind a root port                                  | its own                        |
| 0000:02:00.0+1| two edu functions of one device                          | shared by both                 |
| 0000:03:00.0  | NVMe `npu0`, SR-IOV with 4 virtual functions             | its own                        |
| 0000:04:00.0  | igb NIC, SR-IOV with 7 virtual functions                 | its own                        |
| 0000:07:00.0, 0000:08:00.0 | edu behind the two ports of a switch        | one each                       |
| 0000:0a:01.0, 0000:0a:02.0 | pci-testdev and edu on a conventional bridge | shared with the bridge         |
| 0000:41:00.0  | NVMe `npu1`, on NUMA node 1                              | its own                        |

Both NVMe namespaces begin with NAMESPACE_TEXT: who reads it has done DMA. The host's own disk and NIC are
virtio devices and not for guests.
"""

from dataclasses import dataclass
from pathlib import Path

NAMESPACE_TEXT = b"KCLOUD-NVME-NS1"
NAMESPACE_BYTES = 64 * 1024 * 1024
NPU_ADDRESS = "0000:41:00.0"
API_FROM_HOST = "10.0.2.2"
"""This machine's loopback, as the lab host reaches it."""
COMMAND_LINE = (
    "console=ttyS0 quiet intel_iommu=on iommu.passthrough=0 mitigations=off random.trust_cpu=on nowatchdog "
    "tsc=reliable clocksource=tsc"
)
"""The TSC is emulated from one clock for all processors. Left to itself the kernel distrusts it and reads the
HPET, which costs an exit to QEMU each time: guests took 49 and 69 s to be ready instead of 43, 41 and 26."""


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """What the command line refers to: the image's folder (read only) and the run's own files."""

    image: Path
    run: Path

    @property
    def disk(self) -> Path:
        return self.run / "disk.qcow2"

    @property
    def namespaces(self) -> tuple[Path, Path]:
        return self.run / "npu0.img", self.run / "npu1.img"

    @property
    def console(self) -> Path:
        return self.run / "console.log"

    @property
    def monitor(self) -> Path:
        return self.run / "monitor.sock"

    @property
    def pid(self) -> Path:
        return self.run / "qemu.pid"


def command(files: MachineFiles) -> list[str]:
    """QEMU's argument vector. The SSH port is left to QEMU (0): ask the monitor which one it took."""
    qemu = files.image / "qemu"
    program = [qemu / "lib/ld-linux-x86-64.so.2", "--library-path", qemu / "lib", qemu / "qemu-system-x86_64"]
    words = [*program, "-L", qemu / "qemu", "-L", qemu / "seabios", *_board(files), *_own_devices(files)]
    words += [*_accelerators(files), *_numa_node_one(files)]
    return [str(word) for word in words]


def _board(files: MachineFiles) -> list[str | Path]:
    return [
        *("-name", "kcloud-lab", "-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=multi,tb-size=512"),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-smp", "2,sockets=2,cores=1", "-m", "4096"),
        *("-object", "memory-backend-ram,id=m0,size=2048M", "-object", "memory-backend-ram,id=m1,size=2048M"),
        *("-numa", "node,nodeid=0,cpus=0,memdev=m0", "-numa", "node,nodeid=1,cpus=1,memdev=m1"),
        *("-kernel", files.image / "vmlinuz", "-initrd", files.image / "initrd.img", "-append", COMMAND_LINE),
        *("-chardev", f"file,id=console,path={files.console},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{files.monitor},server=on,wait=off", "-pidfile", files.pid, "-daemonize"),
        *("-device", "intel-iommu,intremap=on"),
    ]


def _own_devices(files: MachineFiles) -> list[str | Path]:
    """Disk and NIC of the host itself; the disk's content need not survive this machine's power cut."""
    return [
        *("-drive", f"if=none,id=root,file={files.disk},format=qcow2,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=root,bus=pcie.0,addr=0x2"),
        *("-netdev", "user,id=own,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", "virtio-net-pci,netdev=own,bus=pcie.0,addr=0x3,romfile="),
    ]


def _accelerators(files: MachineFiles) -> list[str | Path]:
    npu0 = "sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,max_ioqpairs=10,msix_qsize=8"
    devices = [
        "edu,bus=pcie.0,addr=0x8",
        *(_port("rp1", 1, 0x10), "edu,bus=rp1"),
        _port("rp2", 2, 0x11) + ",multifunction=on",
        *("edu,bus=rp2,addr=0.0,multifunction=on", "edu,bus=rp2,addr=0.1"),
        *(_port("rp3", 3, 0x12), "nvme-subsys,id=sub0,nqn=kcloud-npu0"),
        f"nvme,id=npu0,bus=rp3,subsys=sub0,serial=KCNPU0,{npu0}",
        "nvme-ns,drive=ns0,nsid=1,shared=on,bus=npu0",
        *(_port("rp4", 4, 0x13), "igb,netdev=spare,bus=rp4,mac=52:54:00:aa:00:01,romfile="),
        *(_port("rp5", 5, 0x14), "x3130-upstream,id=switch,bus=rp5"),
        "xio3130-downstream,id=switch0,bus=switch,chassis=6,slot=6",
        "xio3130-downstream,id=switch1,bus=switch,chassis=7,slot=7",
        *("edu,bus=switch0", "edu,bus=switch1"),
        *(_port("rp6", 8, 0x15), "pcie-pci-bridge,id=bridge,bus=rp6"),
        *("pci-testdev,bus=bridge,addr=1", "edu,bus=bridge,addr=2"),
    ]
    return [
        *("-drive", f"if=none,id=ns0,file={files.namespaces[0]},format=raw,cache=unsafe"),
        *("-netdev", "user,id=spare,restrict=on"),
        *(word for device in devices for word in ("-device", device)),
    ]


def _numa_node_one(files: MachineFiles) -> list[str | Path]:
    return [
        *("-device", "pxb-pcie,id=node1,bus_nr=64,numa_node=1,bus=pcie.0"),
        *("-device", "pcie-root-port,id=rp7,bus=node1,chassis=9,slot=9"),
        *("-drive", f"if=none,id=ns1,file={files.namespaces[1]},format=raw,cache=unsafe"),
        *("-device", "nvme,id=npu1,serial=KCNPU1,bus=rp7,drive=ns1"),
    ]


def _port(name: str, chassis: int, slot: int) -> str:
    return f"pcie-root-port,id={name},bus=pcie.0,chassis={chassis},slot={chassis},addr={slot:#x}"
