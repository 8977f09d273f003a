"""The doctor finds each planted fault and that alone, and is silent about healthy machines."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kcloud_cli.doctor_checks import HOST_CHECKS, Running, diagnose
from kcloud_cli.main import main
from tests.unit.doctor_hosts import (
    D,
    command_line,
    config,
    daemon,
    healthy,
    installed,
    modules,
    parameter,
    process,
)  # fmt: skip
from vfio.doctor.checks import CHECKS
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.gather import gather
from vfio.rules import parse_rule
from vfio.sim.config_space import all_ones
from vfio.sim.host import FakeHost
from vfio.sim.trees import NAMES

FEW = frozenset({"a100", "l40s-mixed", "t4", "flex170", "b60", "rngd", "warboy", "ca22", "gaudi3"})
"""Two cards show what eight would."""
ODD = frozenset({"mi300x", "memoryless-node", "shared-with-nic", "many-functions"})
"""Simulated machines with a fault of their own; each is in FAULTS."""
HEALTHY = tuple(f"{name}-x2" if name in FEW else name for name in NAMES if name not in ODD)

L40S = "0000:21:00.0"
"""The card of `l40s-x1`."""
PORT = "0000:20:01.0"
"""Above it."""
ACS, SRIOV, PCIE = 0x158, 0x160, 0x60
GIB = 1 << 30


@dataclass(frozen=True)
class Fault:
    """`plant` harms the host; the doctor must find `code`, and `besides` follows from the same harm."""

    code: str
    plant: Callable[[FakeHost], object]
    tree: str = "l40s-x1"
    besides: frozenset[str] = frozenset()
    subject: str = ""


def put(path: str, text: str) -> Callable[[FakeHost], object]:
    return lambda host: host.put(path, text)


def attribute(name: str, text: str, address: str = L40S) -> Callable[[FakeHost], object]:
    return put(f"{D}/{address}/{name}", f"{text}\n")


def parameters(name: str, value: str) -> Callable[[FakeHost], object]:
    return lambda host: parameter(host, name, value)


def cmdline(words: str) -> Callable[[FakeHost], object]:
    return lambda host: command_line(host, words)


def vfs(count: int, address: str = L40S) -> Callable[[FakeHost], None]:
    return lambda host: host.sysfs().write(f"{D}/{address}/sriov_numvfs", str(count))


def on_vfio(host: FakeHost, address: str) -> None:
    sysfs = host.sysfs()
    if driver := host.driver_of(address):
        sysfs.write(f"sys/bus/pci/drivers/{driver}/unbind", address)
    sysfs.write(f"{D}/{address}/driver_override", "vfio-pci")
    sysfs.write("sys/bus/pci/drivers_probe", address)


def dead(host: FakeHost) -> None:
    config(host, L40S, {0: all_ones()})


def as_user(host: FakeHost) -> None:
    """What others than root see of config space."""
    for address in host.addresses():
        path = host.sysfs().root / D / address / "config"
        path.write_bytes(path.read_bytes()[:64])


def asleep(host: FakeHost) -> None:
    dead(host)
    host.put(f"{D}/{L40S}/power_state", "D3cold\n")


def resources(*rows: tuple[int, int, int]) -> Callable[[FakeHost], None]:
    """Lines of the `resource` file that shall be other than they are: number, start, size (0: empty)."""

    def plant(host: FakeHost) -> None:
        path = f"{D}/{L40S}/resource"
        lines = host.sysfs().read_text(path).splitlines()
        for index, start, size in rows:
            flags = 0x14220C if size else 0
            lines[index] = f"0x{start:016x} 0x{start + max(size, 1) - 1:016x} 0x{flags:016x}"
        host.put(path, "\n".join(lines) + "\n")

    return plant


def no_iommu(host: FakeHost) -> None:
    for address in host.addresses():
        link = host.sysfs().root / D / address / "iommu_group"
        link.unlink(missing_ok=True)
    groups = host.sysfs().root / "sys/kernel/iommu_groups"
    groups.rename(groups.with_name("was_groups"))
    groups.mkdir()


def shared(host: FakeHost) -> None:
    """A second card below the same port, in one group with the first: the port has no ACS."""
    from vfio.sim import cards

    other = replace(
        cards.NVSWITCH,
        address="0000:21:01.0",
        path=(PORT,),
        group=20,
        numa_node=0,
        driver=None,
        class_code=0x020000,
    )
    host.add(other)
    config(host, PORT, {ACS: b"\x0d\x00\x00\x00", ACS + 4: bytes(4)})


def held(host: FakeHost) -> None:
    host.put(f"{D}/{L40S}/drm/card1/uevent", "MAJOR=226\nMINOR=1\nDEVNAME=dri/card1\n")
    process(host, 4711, "Xorg", opens="/dev/dri/card1")


def held_by_persistence(host: FakeHost) -> None:
    host.put(f"proc/driver/nvidia/gpus/{L40S}/information", "Model: \t\t NVIDIA L40S\nDevice Minor: \t 3\n")
    process(host, 812, "nvidia-persiste", opens="/dev/nvidia3")


def nouveau(host: FakeHost) -> None:
    for address in host.addresses():
        if host.driver_of(address) == "nvidia":
            host.sysfs().write("sys/bus/pci/drivers/nvidia/unbind", address)
    host.load_driver("nouveau")
    link = host.sysfs().root / D / L40S / "driver"
    link.symlink_to("../../../../bus/pci/drivers/nouveau")
    host.unload_driver("nvidia")


def boot_display(host: FakeHost) -> None:
    """Only functions of the class of VGA displays say whether they are it."""
    host.put(f"{D}/{L40S}/class", "0x030000\n")
    told = host.sysfs().read_text(f"{D}/{L40S}/uevent")
    host.put(f"{D}/{L40S}/uevent", told.replace("PCI_CLASS=30200", "PCI_CLASS=30000") + "\n")
    host.put(f"{D}/{L40S}/boot_vga", "1\n")


def vf_on_host_driver(host: FakeHost) -> None:
    vfs(2)(host)
    host.load_driver("stealer")
    vf = next(a for a in host.addresses() if (host.sysfs().root / D / a / "physfn").exists())
    (host.sysfs().root / D / vf / "driver").symlink_to("../../../../bus/pci/drivers/stealer")


def vgpu_without_files(host: FakeHost) -> None:
    vfs(2)(host)
    for folder in (host.sysfs().root / "sys/devices").rglob("nvidia"):
        if folder.is_dir() and (folder / "creatable_vgpu_types").exists():
            (folder / "creatable_vgpu_types").unlink()


def one_bus_reset(host: FakeHost) -> None:
    for function in range(4):
        host.put(f"{D}/0000:21:00.{function}/reset_method", "bus\n")


def waits_on_vfio(host: FakeHost) -> None:
    on_vfio(host, L40S)
    host.put(f"{D}/{L40S}/d3cold_allowed", "1\n")
    host.put(f"{D}/{L40S}/power/control", "auto\n")


def errors(kind: str, count: int, address: str = L40S) -> Callable[[FakeHost], object]:
    totals = {"correctable": "COR", "nonfatal": "NONFATAL", "fatal": "FATAL"}
    text = f"CmpltTO {count}\nTOTAL_ERR_{totals[kind]} {count}\n"
    return put(f"{D}/{address}/aer_dev_{kind}", text)


def without_hugepages(host: FakeHost) -> None:
    host.put("etc/sysctl.d/60-kcloud.conf", "vm.nr_hugepages = 0\n")
    host.put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n")
    for node in (0, 1):
        host.put(f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages", "0\n")


def hugepages_at_boot(host: FakeHost) -> None:
    host.put("etc/sysctl.d/60-kcloud.conf", "")
    command_line(host, "hugepages=4096")


def without_program(*names: str) -> Callable[[FakeHost], None]:
    def plant(host: FakeHost) -> None:
        for name in names:
            (host.sysfs().root / "usr/bin" / name).unlink()

    return plant


def small_cpu(host: FakeHost) -> None:
    text = host.sysfs().read_text("proc/cpuinfo")
    host.put("proc/cpuinfo", text.replace("46 bits", "39 bits"))


def no_type1(host: FakeHost) -> None:
    modules(host, without=("vfio_iommu_type1", "iommufd"))
    for path in sorted((host.sysfs().root / "sys/module/vfio_iommu_type1").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (host.sysfs().root / "sys/module/vfio_iommu_type1").rmdir()


def no_tun(host: FakeHost) -> None:
    installed(host, without=("tun",))
    (host.sysfs().root / "dev/net/tun").unlink()


def no_bridge(host: FakeHost) -> None:
    modules(host, without=("bridge",))
    installed(host, without=("bridge",))


def no_mdev(host: FakeHost) -> None:
    host.put("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n")
    modules(host, without=("mdev",))


def no_vfio(host: FakeHost) -> None:
    host.unload_driver("vfio-pci")


def no_vfio_at_all(host: FakeHost) -> None:
    no_vfio(host)
    installed(host, without=("vfio_pci",))


def two_drivers(host: FakeHost) -> None:
    host.load_driver("nouveau")


FAULTS = {
    "IOMMU off": Fault("iommu_off", no_iommu, besides=frozenset({"device_no_iommu_group"})),
    "interrupt remapping off": Fault(
        "interrupt_remapping_off",
        put("proc/interrupts", " 24: 0 PCI-MSIX-0000:01:00.0 nvme\n 2: 0 IO-APIC 2\n"),
    ),
    "VFIO without IOMMU": Fault("noiommu_mode", parameters("vfio.enable_unsafe_noiommu_mode", "Y")),
    "unsafe interrupts": Fault(
        "unsafe_interrupts", parameters("vfio_iommu_type1.allow_unsafe_interrupts", "Y")
    ),
    "ACS override": Fault("acs_override", cmdline("pcie_acs_override=downstream,multifunction")),
    "port without ACS": Fault(
        "acs_missing", shared, besides=frozenset({"device_group_shared"}), subject=PORT
    ),
    "ACS switched off": Fault(
        "acs_disabled", lambda host: config(host, PORT, {ACS + 6: bytes(2)}), subject=PORT
    ),
    "IOMMU in passthrough": Fault("iommu_passthrough", put("sys/kernel/iommu_groups/20/type", "identity\n")),
    "vfio-pci not loaded": Fault("vfio_not_loaded", no_vfio),
    "vfio-pci not installed": Fault("vfio_not_installed", no_vfio_at_all),
    "type1 missing": Fault("vfio_type1_missing", no_type1),
    "ids steal a NIC": Fault("vfio_ids_steal", cmdline("vfio-pci.ids=8086:1593")),
    "ids steal a disk by modprobe.d": Fault(
        "vfio_ids_steal", put("etc/modprobe.d/vfio.conf", "options vfio-pci ids=144d:a80a disable_vga=1\n")
    ),
    "ids hold cards that are cut": Fault("vfio_ids_hold_cut_cards", cmdline("vfio-pci.ids=10de:26b9")),
    "few DMA entries": Fault("dma_entry_limit_low", parameters("vfio_iommu_type1.dma_entry_limit", "4096")),
    "small pages only": Fault("vfio_hugepages_off", parameters("vfio_iommu_type1.disable_hugepages", "Y")),
    "card shares its group with a NIC in use": Fault("device_in_use", lambda host: None, "shared-with-nic"),
    "functions enabled on a card offered whole": Fault("device_virtual_functions", vfs(2), "rngd-x1"),
    "boot display": Fault("boot_display_offered", boot_display),
    "X has a card open": Fault("card_held_open", held),
    "persistence daemon has a card open": Fault("card_held_open", held_by_persistence),
    "nouveau has a card": Fault("nouveau_holds_card", nouveau),
    "two drivers": Fault("drivers_compete", two_drivers),
    "no addresses for functions": Fault("vf_bars_unassigned", resources((7, 0, 2 * GIB))),
    "no windows for functions": Fault(
        "vf_bars_unassigned", lambda host: config(host, L40S, {SRIOV + 0x24: b"\x0c\0\0\0"})
    ),
    "SR-IOV switched off": Fault("sriov_switched_off", attribute("sriov_totalvfs", "0")),
    "functions stolen by a host driver": Fault(
        "vf_stolen", vf_on_host_driver, "rngd-x1", frozenset({"device_virtual_functions"})
    ),
    "vGPU driver without types": Fault(
        "vgpu_mode_mismatch", vgpu_without_files, besides=frozenset({"device_virtual_functions"})
    ),
    "mdev not loaded": Fault("mdev_module_missing", no_mdev, "a100-x1"),
    "mdevctl missing": Fault("mdevctl_missing", without_program("mdevctl"), "t4-x1"),
    "BAR unassigned": Fault("bar_unassigned", resources((2, 0, 64 * GIB))),
    "BAR dropped": Fault("bar_unassigned", resources((2, 0, 0))),
    "small BAR": Fault("bar_small", attribute("resource2_resize", f"{(1 << 18) - 1:016x}")),
    "small CPU": Fault("phys_bits_small", small_cpu),
    "asleep in D3cold": Fault("device_asleep", asleep),
    "dead": Fault("device_dead", dead),
    "no reset": Fault("reset_absent", attribute("reset_method", "")),
    "no safe reset": Fault("reset_unsafe", lambda host: None, "mi300x-x1"),
    "power management reset only": Fault("reset_weak", attribute("reset_method", "pm")),
    "reset hits others": Fault("reset_hits_others", one_bus_reset, "ca25-x1"),
    "D3cold allowed": Fault("d3cold_allowed", waits_on_vfio),
    "fatal errors": Fault("aer_fatal", errors("fatal", 1)),
    "fatal errors of a port": Fault("aer_fatal", errors("fatal", 2, PORT), subject=PORT),
    "uncorrectable errors": Fault("aer_nonfatal", errors("nonfatal", 3)),
    "many corrected errors": Fault("aer_many_corrected", errors("correctable", 50_000)),
    "narrow link": Fault("link_narrow", attribute("current_link_width", "8")),
    "slow link": Fault("link_slow", attribute("current_link_speed", "8.0 GT/s PCIe")),
    "slow link of an NPU": Fault("link_slow", attribute("current_link_speed", "2.5 GT/s PCIe"), "rngd-x1"),
    "memlock": Fault(
        "memlock_low", lambda host: daemon(host, memlock="8388608", capabilities="0000000000000000")
    ),
    "no hugepages": Fault("hugepages_none", without_hugepages),
    "memory in pieces": Fault("hugepages_short", put("etc/sysctl.d/70-more.conf", "vm.nr_hugepages=9000\n")),
    "hugepages asked at boot": Fault("hugepages_short", hugepages_at_boot),
    "hugepages on the other node alone": Fault(
        "hugepages_uneven",
        put("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
    ),
    "NUMA unknown": Fault("numa_unknown", attribute("numa_node", "-1")),
    "node without memory": Fault("numa_memoryless", lambda host: None, "memoryless-node"),
    "kernel oops": Fault("kernel_harmed", put("proc/sys/kernel/tainted", "12417\n")),
    "lockdown": Fault(
        "kernel_lockdown", put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    ),
    "nested off": Fault("nested_off", parameters("kvm_intel.nested", "N")),
    "not root": Fault("partly_seen", as_user),
    "QEMU missing": Fault("qemu_missing", without_program("qemu-system-x86_64")),
    "qemu-img missing": Fault("tool_missing", without_program("qemu-img")),
    "no firewall": Fault("firewall_missing", without_program("nft")),
    "no dnsmasq": Fault("dnsmasq_missing", without_program("dnsmasq")),
    "no taps": Fault("tun_missing", no_tun),
    "no bridges": Fault("bridge_missing", no_bridge),
    "another's device in the group": Fault("device_group_shared", shared, besides=frozenset({"acs_missing"})),
}
NOT_OF_FILES = frozenset(
    {"kvm_absent", "kvm_not_loaded", "kvm_denied", "kvm_paravirtual", "libvirt_binding_missing",
     "libvirt_silent", "aer_rising", "no_devices", "device"}
)  # fmt: skip
"""No tree fails these: what the running system answers, and what only time shows (test_doctor.py)."""


def examined(host: FakeHost, *rules: str) -> tuple[Finding, ...]:
    return diagnose(Running(gather(host.sysfs(), [parse_rule(rule) for rule in rules])))


def planted(fault: Fault, folder: Path) -> tuple[Finding, ...]:
    host = healthy(fault.tree, folder)
    fault.plant(host)
    return examined(host)


def is_right(fault: Fault, findings: tuple[Finding, ...]) -> bool:
    """That fault and nothing else, and all that a person needs to mend it."""
    whole = all(each.summary and each.why and each.evidence and each.mend for each in findings)
    right = {finding.code for finding in findings} == {fault.code} | fault.besides
    return whole and right and fault.subject in {"", *(finding.subject for finding in findings)}


def test_each_planted_fault_is_found_and_nothing_else_and_healthy_machines_are_silent(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """One test for all, as both counts are its result."""
    found = {name: planted(fault, tmp_path / f"fault{n}") for n, (name, fault) in enumerate(FAULTS.items())}
    missed = {name: findings for name, findings in found.items() if not is_right(FAULTS[name], findings)}
    said = {name: examined(healthy(name, tmp_path / name)) for name in HEALTHY}
    silent = [name for name, findings in said.items() if not findings]
    right = len(found) - len(missed)
    record_property(
        "counted", [f"of {len(found)} planted faults found by the doctor, and nothing else", right]
    )
    record_property("counted", [f"of {len(said)} healthy machines without a finding", len(silent)])
    assert missed == {}
    assert {name: findings for name, findings in said.items() if findings} == {}
    assert len({fault.code for fault in FAULTS.values()}) >= 25


def test_a_card_whose_reset_kills_it_is_healthy_as_its_virtual_function(tmp_path: Path) -> None:
    host = healthy("mi300x-x2", tmp_path / "host")
    for address in host.addresses():
        if host.driver_of(address) == "gim":
            vfs(1, address)(host)
            name = "pci_" + address.replace(":", "_").replace(".", "_")
            host.put(f"var/lib/kcloud/compute/layouts/{name}.json", "{}")
    assert examined(host) == ()


def test_every_check_has_a_planted_fault() -> None:
    checks = {check.__name__ for named in (*CHECKS.values(), *HOST_CHECKS.values()) for check in named}
    planted = {fault.code for fault in FAULTS.values()}
    assert checks - planted == NOT_OF_FILES
    assert all(code in checks or code.startswith("device_") for code in planted)


def test_a_card_that_a_layout_cuts_is_healthy_with_its_virtual_functions(tmp_path: Path) -> None:
    host = healthy("rngd-x1", tmp_path / "host")
    vfs(8)(host)
    host.put("var/lib/kcloud/compute/layouts/pci_0000_21_00_0.json", "{}")
    assert examined(host) == ()


def test_the_gravest_comes_first(tmp_path: Path) -> None:
    host = healthy("l40s-x1", tmp_path / "host")
    for name in ("nested off", "narrow link", "dead"):
        FAULTS[name].plant(host)
    order = [finding.severity for finding in examined(host)]
    assert order == [Severity.ERROR, Severity.WARNING, Severity.NOTE]


def test_the_json_of_every_finding_has_all_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every check that a tree can fail: severity, evidence, what mends it, and the status that follows."""
    for number, fault in enumerate({fault.code: fault for fault in FAULTS.values()}.values()):
        host = healthy(fault.tree, tmp_path / str(number))
        fault.plant(host)
        status = main(["doctor", "--json", "--root", str(host.sysfs().root)])
        report = json.loads(capsys.readouterr().out)
        (found,) = [each for each in report["findings"] if each["code"] == fault.code][:1]
        assert found["severity"] in ("error", "warning", "note")
        assert all(found[name].strip() for name in ("summary", "why", "evidence", "mend")), found
        assert found["check"] in {*CHECKS, *HOST_CHECKS}
        graves = {each["severity"] for each in report["findings"]}
        assert status == report["exit_status"] == int("error" in graves)
        assert main(["doctor", "--strict", "--root", str(host.sysfs().root)]) == int(graves != {"note"})
        capsys.readouterr()


def test_what_only_the_running_system_answers_has_all_that_mends_it(tmp_path: Path) -> None:
    """The checks that no tree fails: together with those above, all that there are."""
    facts = gather(healthy("l40s-x1", tmp_path / "host").sysfs())
    flags = replace(facts.cpu, flags=frozenset({"vmx"}))
    rising = replace(facts.functions[L40S], aer={"correctable": 3}, aer_later={"correctable": 90})
    pvm = replace(facts.kernel, loaded=frozenset({"kvm_pvm"}))
    bare = gather(FakeHost(tmp_path / "bare").sysfs())
    seen = [
        finding
        for running in (
            Running(replace(facts, cpu=replace(facts.cpu, flags=frozenset())), kvm="absent"),
            Running(replace(facts, cpu=flags), kvm="absent"),
            Running(facts, kvm="Permission denied"),
            Running(replace(facts, kernel=pvm), kvm="usable"),
            Running(facts, libvirt_missing=True),
            Running(facts, libvirt_error="Failed to connect socket"),
            Running(replace(facts, functions={**facts.functions, L40S: rising})),
            Running(bare),
        )
        for finding in diagnose(running)
    ]
    assert {finding.code for finding in seen} >= NOT_OF_FILES - {"device"}
    for finding in seen:
        assert all((finding.summary, finding.why, finding.evidence, finding.mend)), finding
        assert finding.check in {*CHECKS, *HOST_CHECKS}
