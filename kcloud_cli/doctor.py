"""`kcloud doctor`: looks at this host, says what is wrong with it and which command mends it."""

import argparse
import fcntl
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcloud_cli.doctor_checks import Running, diagnose, exit_status
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.gather import LAYOUTS, gather
from vfio.doctor.report import as_json, as_text, described
from vfio.errors import SysfsError
from vfio.offer import OfferRule, parse_rule
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
        told = _told(options)
    except ValueError as error:
        print(f"kcloud doctor: {error}", file=sys.stderr)
        return 2
    running = None
    try:
        running = _look(options, told)
        findings = diagnose(running)
    except (
        SysfsError,
        ValueError,
    ) as error:  # ValueError: a file of PCI functions holds what no kernel writes
        findings = (_unreadable(error),)
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


@dataclass(frozen=True, slots=True)
class _Told:
    """What options or the agent's configuration say of the host."""

    rules: tuple[OfferRule, ...]
    layouts: str = LAYOUTS
    """Relative to the root."""


def _told(options: argparse.Namespace) -> _Told:
    """ValueError says what makes no sense."""
    texts, layouts = options.offer or (), LAYOUTS
    if options.config_file:
        offer, layouts = _configured(options.config_file)
        texts = offer if options.offer is None else texts
    return _Told(tuple(parse_rule(text) for text in texts), layouts)


def _configured(files: Sequence[str]) -> tuple[Sequence[str], str]:
    # Only now: doctor without a configuration must run where nothing else is installed.
    from kcloud_common import config
    from kcloud_common.errors import PermanentError
    from kcloud_compute.conf import AgentConf, DevicesConf

    try:
        conf = config.load({"agent": AgentConf, "devices": DevicesConf}, files=files)
    except PermanentError as error:
        raise ValueError(str(error)) from error
    agent, devices = conf.agent, conf.devices
    assert isinstance(agent, AgentConf)  # noqa: S101 - load fills each group with its own class
    assert isinstance(devices, DevicesConf)  # noqa: S101
    return devices.offer, f"{agent.state_dir.strip('/')}/{LAYOUTS.rpartition('/')[2]}"


def _look(options: argparse.Namespace, told: _Told) -> Running:
    running = Running(gather(Sysfs(options.root), told.rules, layouts=told.layouts))
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
