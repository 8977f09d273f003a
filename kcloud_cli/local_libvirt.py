"""Makes `qemu:///system` answer on this machine: uses what runs, or starts a libvirtd where no systemd does.

Ours differs from the distribution's in what needs systemd's or virtlogd's company, and by nothing else: it
uses the same sockets, folders and domains. Its qemu.conf is laid over the machine's own in a mount namespace,
so no file of the system changes. Nothing here ever ends a guest.
"""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.libvirt.connection import Connection
from kcloud_common.errors import PermanentError

STATE = Path("/var/lib/kcloud/libvirt")
"""Machine-wide, as libvirt is: whoever starts kcloud here finds the same daemon."""

_SYSTEMD = Path("/run/systemd/system")
_UNITS = Path("/lib/systemd/system")
_PATIENCE_SECONDS = 30.0

_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
"""

_QEMU_CONF = """\
# Without systemd and virtlogd; QEMU runs as root, because guests' disks may be under a home folder.
user = "root"
group = "root"
remember_owner = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""


class LocalLibvirtMissing(PermanentError):
    """`message` names the command that mends it."""

    code = "no_local_libvirt"


def ensure(state_dir: Path = STATE) -> None:
    """Returns when qemu:///system answers; raises LocalLibvirtMissing. Safe to repeat and to race."""
    reason = _silence()
    if reason is None:
        return
    if _SYSTEMD.exists():
        raise LocalLibvirtMissing(f"libvirt does not answer ({reason}): {_systemd_advice()}")
    if os.geteuid() != 0:
        raise LocalLibvirtMissing("libvirt does not run, and only root can start it: try again with sudo")
    complaint = _start(state_dir)
    end = time.monotonic() + _PATIENCE_SECONDS
    while (reason := _silence()) is not None:
        if time.monotonic() > end:
            raise LocalLibvirtMissing(f"libvirtd does not answer ({reason}): {complaint or 'see its log'}")
        time.sleep(0.1)


def pid(state_dir: Path = STATE) -> int | None:
    """Of the libvirtd that `ensure` started, while it runs."""
    try:
        number = int((state_dir / "libvirtd.pid").read_text())
        command = Path(f"/proc/{number}/comm").read_text().strip()
    except (OSError, ValueError):
        return None
    return number if command == "libvirtd" else None


def stop(state_dir: Path = STATE) -> None:
    """End the libvirtd that `ensure` started, if any; guests run on and are found by the next one."""
    running = pid(state_dir)
    if running is None:
        return
    process = os.pidfd_open(running)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
    finally:
        os.close(process)


def _silence() -> str | None:
    """None when qemu:///system answers, else why not."""
    connection = Connection("qemu:///system")
    try:
        with connection.asking("asking qemu:///system"):
            return None
    except DriverError as error:
        return str(error)
    finally:
        connection.close()


def _start(state_dir: Path) -> str:
    """Start libvirtd in the background; its complaint, if it has one. Loses a race without harm."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    conf, qemu_conf = state_dir / "libvirtd.conf", state_dir / "qemu.conf"
    conf.write_text(_LIBVIRTD_CONF)
    qemu_conf.write_text(_QEMU_CONF)
    daemon = [
        _found("libvirtd"),
        "--daemon",
        "--config",
        str(conf),
        "--pid-file",
        str(state_dir / "libvirtd.pid"),
    ]
    overlay = (
        f"mount --bind {shlex.quote(str(qemu_conf))} /etc/libvirt/qemu.conf && exec {shlex.join(daemon)}"
    )
    # As a slave, the namespace still sees what is mounted on the machine later: disks may live there.
    command = [_found("unshare"), "--mount", "--propagation=slave", "sh", "-c", overlay]
    with (state_dir / "start.log").open("w+") as log:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, cwd="/")
        log.seek(0)
        return log.read().strip() if done.returncode else ""


def _found(program: str) -> str:
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise LocalLibvirtMissing(
            f"{program} is not installed: apt-get install libvirt-daemon-system libvirt-daemon-driver-qemu"
        )
    return path


def _systemd_advice() -> str:
    """One monolithic daemon, or one per driver: whichever is installed."""
    if (_UNITS / "libvirtd.socket").exists():
        return "systemctl enable --now libvirtd.socket"
    if (_UNITS / "virtqemud.socket").exists():
        return "systemctl enable --now virtqemud.socket virtnetworkd.socket virtnodedevd.socket"
    return "apt-get install libvirt-daemon-system libvirt-daemon-driver-qemu"
