"""`kcloud doctor`, the command: what it prints, how it ends, and what only the running system can tell."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from kcloud_cli import main
from kcloud_cli.doctor_checks import HOST_CHECKS, Running, diagnose, exit_status
from tests.conftest import ROOT
from tests.unit.doctor_hosts import config, healthy, modules, process
from vfio.doctor.checks import CHECKS
from vfio.doctor.facts import CpuFacts
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.gather import gather
from vfio.sim.config_space import all_ones
from vfio.testing import FakeFunction, FakeHost, gpu_host

CARD = "0000:21:00.0"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return healthy("l40s-x2", tmp_path / "host")


@pytest.fixture
def running(host: FakeHost) -> Running:
    return Running(gather(host.sysfs()), kvm="usable", libvirt="QEMU 10.0.2")


def found(running: Running, code: str) -> Finding:
    (finding,) = (finding for finding in diagnose(running) if finding.code == code)
    return finding


def bare(folder: Path, *, card: bool = False) -> FakeHost:
    """A host without an IOMMU."""
    host = FakeHost(folder)
    if card:
        host.add(FakeFunction("0000:41:00.0", 0x10DE, 0x20B5, 0x030200))
    return host


def test_a_healthy_host_has_no_findings(running: Running) -> None:
    assert diagnose(running) == ()
    assert exit_status((), strict=True) == 0


def test_no_iommu_is_an_error_only_where_there_is_an_accelerator(tmp_path: Path) -> None:
    without = Running(gather(bare(tmp_path / "without").sysfs()))
    assert found(without, "iommu_off").severity is Severity.WARNING
    finding = found(Running(gather(bare(tmp_path / "with", card=True).sysfs())), "iommu_off")
    assert finding.severity is Severity.ERROR
    assert "intel_iommu=on" in finding.mend


@pytest.mark.parametrize(
    ("vendor", "table", "words", "mend"),
    [
        ("GenuineIntel", "DMAR", "quiet", "intel_iommu=on"),
        ("AuthenticAMD", "IVRS", "quiet", "amd_iommu=on"),
        ("GenuineIntel", "DMAR", "intel_iommu=on", "dmesg"),
        ("GenuineIntel", "", "intel_iommu=on", "firmware"),
    ],
)
def test_what_switches_the_iommu_on_depends_on_what_is_off(
    tmp_path: Path, vendor: str, table: str, words: str, mend: str
) -> None:
    host = bare(tmp_path / "host", card=True)
    host.put("proc/cpuinfo", f"vendor_id : {vendor}\n")
    host.put("proc/cmdline", f"{words}\n")
    if table:
        host.put(f"sys/firmware/acpi/tables/{table}", "")
    finding = found(Running(gather(host.sysfs())), "iommu_off")
    assert mend in finding.mend
    assert ("firmware" in finding.mend) == (not table)


def test_a_refused_device_comes_with_its_reason_and_way_out(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    host.add(FakeFunction("0000:42:00.0", 0x8086, 0x10C9, 0x020000, driver="igb", group=41))
    finding = found(Running(gather(host.sysfs())), "device_group_shared")
    assert "0000:42:00.0 is not offered by any rule" in finding.evidence
    assert "ACS" in finding.mend


@pytest.mark.parametrize(
    ("kvm", "flags", "code"),
    [
        ("absent", {"vmx"}, "kvm_not_loaded"),
        ("absent", set(), "kvm_absent"),
        ("[Errno 13] Permission denied", {"svm"}, "kvm_denied"),
    ],
)
def test_what_is_wrong_with_kvm_is_told_apart(running: Running, kvm: str, flags: set[str], code: str) -> None:
    cpu = CpuFacts(flags=frozenset(flags))
    finding = found(replace(running, kvm=kvm, facts=replace(running.facts, cpu=cpu)), code)
    assert finding.severity is Severity.WARNING
    assert finding.mend


def test_a_kvm_of_another_hypervisor_is_named(host: FakeHost) -> None:
    modules(host, without=("kvm_intel",))
    host.put("sys/module/kvm_pvm/parameters/x", "")
    (host.sysfs().root / "sys/module/kvm_intel").rename(host.sysfs().root / "gone")
    assert found(Running(gather(host.sysfs()), kvm="usable"), "kvm_paravirtual").mend


def test_a_silent_libvirt_is_not_a_missing_binding(running: Running) -> None:
    silent = replace(running, libvirt=None, libvirt_error="Failed to connect socket")
    assert found(silent, "libvirt_silent").evidence == "Failed to connect socket"
    missing = replace(running, libvirt=None, libvirt_missing=True)
    assert found(missing, "libvirt_binding_missing").severity is Severity.ERROR
    assert exit_status(diagnose(silent)) == exit_status(diagnose(missing)) == 1


def test_counters_that_grow_while_we_look_are_found(running: Running) -> None:
    facts = running.facts
    before = replace(facts.functions[CARD], aer={"correctable": 3}, aer_later={"correctable": 90})
    rising = replace(facts, functions={**facts.functions, CARD: before})
    assert "87 correctable" in found(Running(rising), "aer_rising").summary


def test_a_gpu_that_took_its_link_down_to_save_power_is_healthy(host: FakeHost) -> None:
    host.put(f"sys/bus/pci/devices/{CARD}/current_link_speed", "2.5 GT/s PCIe\n")
    assert diagnose(Running(gather(host.sysfs()))) == ()


def test_a_tree_that_shows_little_is_not_taken_for_a_broken_one(tmp_path: Path) -> None:
    """No /proc/meminfo, /sys/module, /lib/modules, /dev or programs: unknown is not wrong."""
    findings = diagnose(Running(gather(gpu_host(tmp_path / "host").sysfs())))
    assert {finding.code for finding in findings} == {"nouveau_holds_card"}


def test_reading_ends_whatever_process_leaves_meanwhile(host: FakeHost) -> None:
    host.put(f"sys/bus/pci/devices/{CARD}/drm/card1/uevent", "DEVNAME=dri/card1\n")
    host.put("proc/77/comm", "gone\n")  # no fd folder: it ended
    assert gather(host.sysfs()).holders == {}


def test_exit_status_counts_warnings_only_when_strict(running: Running) -> None:
    warning, note = Finding(Severity.WARNING, "w"), Finding(Severity.NOTE, "n")
    assert [exit_status((warning, note), strict=strict) for strict in (False, True)] == [0, 1]
    assert exit_status((note,), strict=True) == 0


def test_the_command_prints_text_and_ends_with_0(host: FakeHost, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--strict", "--root", str(host.sysfs().root)]) == 0
    out = capsys.readouterr().out
    assert "offers 2 x L40S as PGPU: pci_0000_21_00_0" in out
    assert out.endswith("healthy: nothing was found\n")


def test_the_command_prints_each_finding_in_four_short_lines(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    for address in host.addresses():
        if host.driver_of(address) == "nvidia":
            config(host, address, {0: all_ones()})
    assert main.main(["doctor", "--root", str(host.sysfs().root)]) == 1
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("ERROR"))
    assert [line.split()[0] for line in lines[start : start + 5]] == ["ERROR", "why", "seen", "mend", "also"]
    assert lines[start].endswith("[device_dead]")
    assert lines[-1] == "errors: 2, warnings: 0, notes: 0"


def test_the_json_has_the_shape_that_the_documentation_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = bare(tmp_path / "host", card=True)
    assert main.main(["doctor", "--json", "--root", str(host.sysfs().root)]) == 1
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    documented = (ROOT / "docs/doctor.md").read_text()
    assert (report["version"], report["ok"], report["exit_status"]) == (1, False, 1)
    assert {"iommu_off", "device_no_iommu_group"} <= {finding["code"] for finding in report["findings"]}
    assert set(report["findings"][0]) == {field.name for field in fields(Finding)}
    assert report["counts"].keys() == {"error", "warning", "note"}
    for name in (*report, *report["findings"][0], *report["host"]):
        assert f"`{name}`" in documented, name


def test_rules_come_from_the_command_line_or_from_the_agent_s_configuration(
    host: FakeHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "compute.conf"
    conf.write_text("[devices]\noffer = class:0302=CUSTOM_AICHIP\n")
    root = ["doctor", "--root", str(host.sysfs().root)]
    assert main.main([*root, "--config-file", str(conf)]) == 0
    assert "as CUSTOM_AICHIP" in capsys.readouterr().out
    assert main.main([*root, "--offer", "0000:01:00.0"]) == 0
    assert "is in use by the host (its disk holds /)" in capsys.readouterr().out


CATALOGUE = """
version = 2
[[vendor]]
id = "10de"
[vendor.device]
"26b9" = { model = "Racked L40S" }
"""


def test_the_catalogue_is_the_agent_s(
    host: FakeHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By option, by a configuration that is named, and by the one that the agent reads."""
    own = tmp_path / "own.toml"
    own.write_text(CATALOGUE)
    conf = tmp_path / "compute.conf"
    conf.write_text(f"[devices]\ncatalogue = {own}\n")
    root = ["doctor", "--root", str(host.sysfs().root)]
    assert main.main(root) == 0
    assert "Racked" not in capsys.readouterr().out
    for words in (["--catalogue", str(own)], ["--config-file", str(conf)]):
        assert main.main([*root, *words]) == 0
        assert "offers 2 x Racked L40S" in capsys.readouterr().out
    host.put("etc/kcloud/own.toml", CATALOGUE)
    host.put("etc/kcloud/compute.conf", "[devices]\ncatalogue = /etc/kcloud/own.toml\n")
    assert main.main(root) == 0
    assert "offers 2 x Racked L40S" in capsys.readouterr().out


def test_a_catalogue_that_makes_no_sense_is_refused_when_named_and_found_when_the_agent_s(
    host: FakeHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[vendors")
    root = ["doctor", "--root", str(host.sysfs().root)]
    assert main.main([*root, "--catalogue", str(own)]) == 2
    assert str(own) in capsys.readouterr().err
    host.put("etc/kcloud/compute.conf", "[devices]\ncatalogue = /nowhere.toml\n")
    assert main.main([*root, "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "configuration_unusable"
    assert "nowhere.toml" in finding["evidence"]
    assert finding["mend"]
    host.put("etc/kcloud/compute.conf", "[devices]\noffers = known\n")
    assert main.main(root) == 1
    assert "offers" in capsys.readouterr().out


def test_no_evidence_is_too_long_for_a_terminal_and_a_command_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = healthy("shared-with-nic", tmp_path / "nic")
    assert main.main(["doctor", "--root", str(host.sysfs().root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 160 for line in lines)
    assert any("0000:21:01.0 (" in line for line in lines), "all members of the group are named"
    assert sum(line.startswith("       mend") for line in lines) == 1


def test_a_host_that_cannot_be_read_is_a_finding_and_no_traceback(
    host: FakeHost, capsys: pytest.CaptureFixture[str]
) -> None:
    host.put(f"sys/bus/pci/devices/{CARD}/numa_node", "none of your business\n")
    assert main.main(["doctor", "--json", "--root", str(host.sysfs().root)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in report["findings"]] == ["host_unreadable"]
    assert report["offers"] == []


def test_a_folder_that_holds_no_host_is_not_called_healthy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["doctor", "--root", str(tmp_path / "nowhere")]) == 2
    assert f"there is no {tmp_path / 'nowhere' / 'sys'}" in capsys.readouterr().err


def test_a_rule_that_makes_no_sense_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sys").mkdir()
    assert main.main(["doctor", "--root", str(tmp_path), "--offer", "gpu please"]) == 2
    assert "'gpu please'" in capsys.readouterr().err


def test_doctor_needs_nothing_but_the_standard_library() -> None:
    """It must run on a host where nothing else works yet."""
    program = "import sys, kcloud_cli.doctor; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {"PYTHONPATH": str(ROOT)}
    # -I would drop PYTHONPATH; -S keeps site-packages away.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"kcloud_cli", "vfio"} <= loaded
    assert not loaded & {"kcloud_api", "kcloud_compute", "kcloud_common", "hypervisor_drivers", "oslo_config"}


def test_the_list_of_checks_in_the_documentation_is_what_there_is(request: pytest.FixtureRequest) -> None:
    """`pytest --regenerate` rewrites it."""
    rows = ["| check | code | what it finds |", "|---|---|---|"]
    for topic, named in (*CHECKS.items(), *HOST_CHECKS.items()):
        for check in named:
            code = "device_..." if check.__name__ == "device" else check.__name__
            rows.append(f"| {topic} | `{code}` | {(check.__doc__ or '').strip()} |")
    path = ROOT / "docs/doctor.md"
    head, mark, _ = path.read_text().partition("<!-- generated -->\n")
    text = head + mark + "\n".join(rows) + "\n"
    if request.config.getoption("--regenerate"):
        path.write_text(text)
    assert path.read_text() == text, "run pytest --regenerate"


def test_of_several_settings_of_hugepages_the_last_counts(host: FakeHost) -> None:
    host.put("etc/sysctl.d/10-more.conf", "vm.nr_hugepages = 9000\n")
    host.put("proc/cmdline", "intel_iommu=on hugepages=8000 hugepagesz=1G hugepages=4\n")
    assert diagnose(Running(gather(host.sysfs()))) == ()


def test_a_card_that_a_layout_cuts_may_be_held_by_its_vendor_s_daemons(host: FakeHost) -> None:
    host.put(f"sys/bus/pci/devices/{CARD}/drm/card1/uevent", "DEVNAME=dri/card1\n")
    process(host, 812, "vgpu-daemon", opens="/dev/dri/card1")
    assert [each.code for each in diagnose(Running(gather(host.sysfs())))] == ["card_held_open"]
    host.put("var/lib/kcloud/compute/layouts/pci_0000_21_00_0.json", "{}")
    assert diagnose(Running(gather(host.sysfs()))) == ()


def test_a_layout_that_was_set_aside_or_not_finished_cuts_no_card(host: FakeHost) -> None:
    for number, ending in enumerate(("json", "damaged", "tmp")):
        host.put(f"var/lib/kcloud/compute/layouts/pci_0000_2{number}_00_0.{ending}", "{}")
    assert gather(host.sysfs()).cut == {"pci_0000_20_00_0"}


GARBAGE = ("", "\n", "nan", "-1", "0x", "\x00\xff", "a b c d e f", "99999999999999999999999", "Node :\n\n:")
READ = (
    "proc/meminfo", "proc/cpuinfo", "proc/modules", "proc/interrupts", "proc/buddyinfo", "proc/cmdline",
    "proc/sys/kernel/tainted", "proc/sys/kernel/osrelease", "proc/900/limits", "proc/900/status",
    "etc/modprobe.d/blacklist.conf", "etc/sysctl.d/60-kcloud.conf", "sys/kernel/security/lockdown",
    "sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "sys/kernel/iommu_groups/20/type",
    "sys/devices/system/node/node0/meminfo", "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
    *(
        f"sys/bus/pci/devices/{CARD}/{name}"
        for name in (
            "config", "current_link_speed", "current_link_width", "power_state", "d3cold_allowed",
            "power/control", "aer_dev_fatal", "sriov_drivers_autoprobe", "resource2_resize",
        )
    ),
)  # fmt: skip


@pytest.mark.slow
def test_no_file_can_end_the_doctor_by_what_it_holds(host: FakeHost) -> None:
    for path in READ:
        there = host.sysfs().exists(path)
        before = host.sysfs().read_bytes(path) if there else b""
        for text in GARBAGE:
            host.put(path, text)
            for finding in diagnose(Running(gather(host.sysfs()))):
                assert finding.summary
        (host.sysfs().root / path).write_bytes(before)
        if not there:
            (host.sysfs().root / path).unlink()
    assert diagnose(Running(gather(host.sysfs()))) == ()
