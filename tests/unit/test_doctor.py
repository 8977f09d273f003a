"""`kcloud doctor` finds what keeps a host from giving devices to guests, and names what mends it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kcloud_cli import main
from kcloud_cli.doctor_checks import CHECKS, Facts, Finding, Severity, examine, exit_status
from vfio.hostuse import in_use
from vfio.offer import offers
from vfio.scan import scan
from vfio.testing import FakeFunction, FakeHost, gpu_host


def facts_of(host: FakeHost) -> Facts:
    sysfs = host.sysfs()
    snapshot = scan(sysfs)
    return Facts(
        snapshot=snapshot,
        result=offers(snapshot, (), in_use(sysfs)),
        kernel="6.12.0-amd64",
        command_line="quiet",
        vfio_loaded=True,
        vfio_installed=True,
        kvm="usable",
        libvirt="QEMU 10.0.2",
    )


@pytest.fixture
def healthy(tmp_path: Path) -> Facts:
    return facts_of(gpu_host(tmp_path / "host"))


def found(facts: Facts, code: str) -> Finding:
    (finding,) = (finding for finding in examine(facts) if finding.code == code)
    return finding


def test_a_healthy_host_has_only_good_findings_one_for_each_check(healthy: Facts) -> None:
    findings = examine(healthy)
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert [finding.check for finding in findings] == list(CHECKS)
    assert exit_status(findings) == 0


def test_an_offered_device_is_shown_with_its_class_and_group(healthy: Facts) -> None:
    finding = found(healthy, "device_offered")
    assert "PGPU" in finding.summary
    assert finding.evidence == "IOMMU group 41: 0000:41:00.0"


def test_no_iommu_is_an_error_only_where_there_is_an_accelerator(tmp_path: Path) -> None:
    host = FakeHost(tmp_path / "bare")
    assert found(facts_of(host), "iommu_off").severity is Severity.WARNING
    host.add(FakeFunction("0000:41:00.0", 0x10DE, 0x20B5, 0x030200))
    finding = found(facts_of(host), "iommu_off")
    assert finding.severity is Severity.ERROR
    assert "intel_iommu=on" in finding.mend
    assert "quiet" in finding.evidence


def test_a_module_that_is_only_not_loaded_is_loaded_by_modprobe(healthy: Facts) -> None:
    finding = found(replace(healthy, vfio_loaded=False), "vfio_not_loaded")
    assert finding.severity is Severity.ERROR
    assert finding.mend.startswith("modprobe vfio-pci")


def test_a_kernel_without_the_module_needs_another_kernel(healthy: Facts) -> None:
    finding = found(replace(healthy, vfio_loaded=False, vfio_installed=False), "vfio_not_installed")
    assert "6.12.0-amd64" in finding.summary
    assert "linux-image-amd64" in finding.mend


def test_a_refused_device_comes_with_its_reason_and_way_out(tmp_path: Path) -> None:
    host = gpu_host(tmp_path / "host")
    host.add(FakeFunction("0000:42:00.0", 0x8086, 0x10C9, 0x020000, driver="igb", group=41))
    finding = found(facts_of(host), "device_group_shared")
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
def test_what_is_wrong_with_kvm_is_told_apart(healthy: Facts, kvm: str, flags: set[str], code: str) -> None:
    finding = found(replace(healthy, kvm=kvm, cpu_flags=frozenset(flags)), code)
    assert finding.severity is Severity.WARNING
    assert finding.mend


def test_a_silent_libvirt_is_not_a_missing_binding(healthy: Facts) -> None:
    silent = replace(healthy, libvirt=None, libvirt_error="Failed to connect socket")
    assert found(silent, "libvirt_silent").evidence == "Failed to connect socket"
    missing = replace(healthy, libvirt=None, libvirt_missing=True)
    assert found(missing, "libvirt_binding_missing").severity is Severity.ERROR
    assert exit_status(examine(silent)) == exit_status(examine(missing)) == 1


def test_what_was_not_looked_at_has_no_finding(healthy: Facts) -> None:
    findings = examine(replace(healthy, kvm=None, libvirt=None))
    assert {finding.check for finding in findings} == {"iommu", "vfio", "devices"}


def test_every_finding_that_is_not_good_names_what_mends_it(healthy: Facts, tmp_path: Path) -> None:
    bare = facts_of(FakeHost(tmp_path / "bare"))
    for facts in (
        replace(bare, vfio_loaded=False, vfio_installed=False, kvm="absent", libvirt=None, libvirt_error="x"),
        replace(healthy, vfio_loaded=False, kvm="absent", cpu_flags=frozenset({"svm"})),
    ):
        assert all(finding.mend for finding in examine(facts) if finding.severity is not Severity.OK)


def test_the_command_prints_text_and_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu_host(tmp_path / "host")
    assert main.main(["doctor", "--root", str(tmp_path / "host")]) == 0
    out = capsys.readouterr().out
    assert "ok    devices: pci_0000_41_00_0 (A100 PCIe 80GB) is offered as PGPU" in out


def test_the_command_prints_json_and_ends_with_1_on_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = FakeHost(tmp_path / "host")
    host.add(FakeFunction("0000:41:00.0", 0x10DE, 0x20B5, 0x030200))
    assert main.main(["doctor", "--json", "--root", str(tmp_path / "host")]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert {"iommu_off", "device_no_iommu_group"} <= {finding["code"] for finding in report["findings"]}


def test_rules_come_from_the_command_line_or_from_the_agent_s_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu_host(tmp_path / "host")
    conf = tmp_path / "compute.conf"
    conf.write_text("[devices]\noffer = class:0302=CUSTOM_AICHIP\n")
    root = ["doctor", "--root", str(tmp_path / "host")]
    assert main.main([*root, "--config-file", str(conf)]) == 0
    assert "offered as CUSTOM_AICHIP" in capsys.readouterr().out
    assert main.main([*root, "--offer", "0000:01:00.0"]) == 0
    assert "is in use by the host (its disk holds /)" in capsys.readouterr().out


def test_a_rule_that_makes_no_sense_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["doctor", "--root", str(tmp_path), "--offer", "gpu please"]) == 2
    assert "'gpu please'" in capsys.readouterr().err


def test_doctor_needs_nothing_but_the_standard_library() -> None:
    """It must run on a host where nothing else works yet."""
    program = "import sys, kcloud_cli.doctor; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    # -I would drop PYTHONPATH; -S keeps site-packages away.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"kcloud_cli", "vfio"} <= loaded
    assert not loaded & {"kcloud_api", "kcloud_compute", "kcloud_common", "hypervisor_drivers", "oslo_config"}
