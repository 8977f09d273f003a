"""`kcloud doctor`: looks at this host, says what is wrong with it and which command mends it."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from kcloud_cli.doctor_checks import Facts, Finding, Severity, examine, exit_status
from vfio.driver import VFIO_PCI, driver_known
from vfio.errors import SysfsError
from vfio.hostuse import in_use
from vfio.offer import OfferRule, offers, parse_rule
from vfio.reading import lines
from vfio.scan import scan
from vfio.sysfs import Sysfs

_MARKS = {Severity.OK: "ok  ", Severity.INFO: "info", Severity.WARNING: "WARN", Severity.ERROR: "FAIL"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("doctor", help="say what is wrong with this host, and what mends it")
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.add_argument(
        "--offer", action="append", metavar="RULE", help="judge devices by this rule (may be repeated)"
    )
    parser.add_argument(
        "--config-file",
        action="append",
        default=[],
        metavar="FILE",
        help="judge by the agent's [devices] offer",
    )
    parser.add_argument("--libvirt-uri", default="qemu:///system", metavar="URI")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="look at /sys and /proc in DIR instead"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: nothing stands in the way; 1: an error was found; 2: the question makes no sense."""
    try:
        rules = [parse_rule(text) for text in _rule_texts(options)]
    except ValueError as error:
        print(f"kcloud doctor: {error}", file=sys.stderr)
        return 2
    try:
        findings = examine(_gather(options, rules))
    except SysfsError as error:
        findings = (
            Finding(
                "host",
                "host_unreadable",
                Severity.ERROR,
                "this host cannot be read",
                str(error),
                "run as root",
            ),
        )
    print(_as_json(findings) if options.json else _as_text(findings))
    return exit_status(findings)


def _rule_texts(options: argparse.Namespace) -> Sequence[str]:
    if options.offer is not None or not options.config_file:
        return options.offer or ()
    # Only now: doctor without a configuration must run where nothing else is installed.
    from kcloud_common import config
    from kcloud_common.errors import PermanentError
    from kcloud_compute.conf import DevicesConf

    try:
        devices = config.load({"devices": DevicesConf}, files=options.config_file).devices
    except PermanentError as error:
        raise ValueError(str(error)) from error
    assert isinstance(devices, DevicesConf)  # noqa: S101 - load fills each group with its own class
    return devices.offer


def _gather(options: argparse.Namespace, rules: Sequence[OfferRule]) -> Facts:
    sysfs = Sysfs(options.root)
    snapshot = scan(sysfs)
    kernel = "".join(lines(sysfs, "proc/sys/kernel/osrelease"))
    facts = Facts(
        snapshot=snapshot,
        result=offers(snapshot, rules, in_use(sysfs)),
        kernel=kernel,
        command_line="".join(lines(sysfs, "proc/cmdline")),
        vfio_loaded=driver_known(sysfs, VFIO_PCI),
        vfio_installed=_has_module(sysfs, kernel),
        cpu_flags=_cpu_flags(sysfs),
    )
    if options.root != Path("/"):
        return facts  # what follows asks the running system, not a folder
    return _with_libvirt(replace(facts, kvm=_kvm()), options.libvirt_uri)


def _has_module(sysfs: Sysfs, kernel: str) -> bool:
    listed = (
        *lines(sysfs, f"lib/modules/{kernel}/modules.dep"),
        *lines(sysfs, f"lib/modules/{kernel}/modules.builtin"),
    )
    return any("/vfio-pci.ko" in line.partition(":")[0] for line in listed)


def _cpu_flags(sysfs: Sysfs) -> frozenset[str]:
    words = next((line for line in lines(sysfs, "proc/cpuinfo") if line.startswith("flags")), "")
    return frozenset(words.partition(":")[2].split())


def _kvm() -> str:
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        return str(error)
    return "usable"


def _with_libvirt(facts: Facts, uri: str) -> Facts:
    try:
        from hypervisor_drivers.driver import DriverError
        from hypervisor_drivers.libvirt.driver import open_driver
    except ImportError:
        return replace(facts, libvirt_missing=True)
    driver = open_driver(uri, "qemu")  # not `auto`: that boots a trial guest
    try:
        found = driver.capabilities()
    except DriverError as error:
        return replace(facts, libvirt_error=str(error))
    finally:
        driver.close()
    return replace(facts, libvirt=f"{found.hypervisor_type} {found.version}")


def _as_json(findings: Sequence[Finding]) -> str:
    report = {"ok": exit_status(findings) == 0, "findings": [asdict(finding) for finding in findings]}
    return json.dumps(report, indent=2)


def _as_text(findings: Sequence[Finding]) -> str:
    out = []
    for finding in findings:
        out.append(f"{_MARKS[finding.severity]}  {finding.check}: {finding.summary}")
        if finding.severity is not Severity.OK:
            out += [f"      {line}" for line in (finding.evidence,) if line]
            out += [f"      mend: {line}" for line in (finding.mend,) if line]
    return "\n".join(out)
