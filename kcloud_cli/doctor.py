"""`kcloud doctor`: looks at this host, says what is wrong with it and which command mends it."""

import argparse
import fcntl
import os
import sys
from dataclasses import replace
from pathlib import Path

from kcloud_cli.doctor_checks import Running, diagnose, exit_status
from kcloud_cli.doctor_told import AGENT_FILE, Told, told
from vfio.doctor.finding import Finding, Severity, by_gravity
from vfio.doctor.gather import gather
from vfio.doctor.report import as_json, as_text, described
from vfio.errors import SysfsError
from vfio.sysfs import Sysfs

_KVM_GET_API_VERSION, _KVM_API = 0xAE00, 12


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="say what is wrong with this host, and what mends it",
        epilog="Exit status: 0 no error (with --strict: nor warning); 1 an error; 2 a request without sense.",
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON (docs/doctor.md)")
    parser.add_argument("--strict", action="store_true", help="end with 1 for warnings too")
    parser.add_argument(
        "--offer",
        action="append",
        metavar="RULE",
        help="judge devices by this rule, not by [devices] offer (may be repeated)",
    )
    parser.add_argument(
        "--catalogue",
        action="append",
        type=Path,
        metavar="FILE",
        help="know devices by this file too, as the agent's [devices] catalogue (may be repeated)",
    )
    parser.add_argument(
        "--config-file", action="append", default=[], metavar="FILE",
        help=f"judge by this configuration of the agent; without: by /{AGENT_FILE} where it is there",
    )  # fmt: skip
    parser.add_argument("--libvirt-uri", default="qemu:///system", metavar="URI")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="look at the files of a host in DIR instead",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: nothing stands in the way; 1: an error was found; 2: the question makes no sense."""
    try:
        if not (options.root / "sys").is_dir():
            raise ValueError(f"--root {options.root} holds no host: there is no {options.root / 'sys'}")
        by = told(options)
    except ValueError as error:
        print(f"kcloud doctor: {error}", file=sys.stderr)
        return 2
    running = None
    try:
        running = _look(options, by)
        findings = by_gravity(iter((*by.findings, *diagnose(running))))
    except (SysfsError, ValueError) as error:
        # ValueError: a file of PCI functions holds what no kernel writes.
        findings = (_unreadable(error), *by.findings)
    status = exit_status(findings, strict=options.strict)
    facts = running.facts if running else None
    host = _described(running) if running else {}
    print(as_json(findings, facts, host, status) if options.json else as_text(findings, facts, host))
    return status


def _described(running: Running) -> dict[str, object]:
    return described(running.facts) | {"kvm": running.kvm, "libvirt": running.libvirt}


def _unreadable(error: Exception) -> Finding:
    return Finding(
        Severity.ERROR,
        "this host cannot be read",
        "nothing else is known of it",
        str(error),
        "run as root",
        code="host_unreadable",
        check="host",
    )


def _look(options: argparse.Namespace, by: Told) -> Running:
    facts = gather(Sysfs(options.root), by.rules, catalogue=by.catalogue, layouts=by.layouts)
    running = Running(facts)
    if options.root != Path("/"):
        return running  # what follows asks the running system, not a folder
    return _with_libvirt(replace(running, kvm=_kvm()), options.libvirt_uri)


def _kvm() -> str:
    try:
        handle = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        return str(error)
    try:
        version = fcntl.ioctl(handle, _KVM_GET_API_VERSION)
    except OSError as error:
        return str(error)
    finally:
        os.close(handle)
    return "usable" if version == _KVM_API else f"it speaks version {version}, not {_KVM_API}"


def _with_libvirt(running: Running, uri: str) -> Running:
    try:
        from hypervisor_drivers.driver import DriverError
        from hypervisor_drivers.libvirt.driver import open_driver
    except ImportError:
        return replace(running, libvirt_missing=True)
    driver = open_driver(uri, "qemu")  # not `auto`: that boots a trial guest
    try:
        found = driver.capabilities()
    except DriverError as error:
        return replace(running, libvirt_error=str(error))
    finally:
        driver.close()
    return replace(running, libvirt=f"{found.hypervisor_type} {found.version}")
