"""A libvirtd of a test's own, in mount and network namespaces of its own, on the same file system.

Its domains, networks, bridges, leases and firewall rules are seen by nobody else, and it can be killed and
restarted without a thought for the machine's own libvirt. Disks and console logs keep their usual paths,
because only libvirt's own folders are replaced. Processes that must reach guests by network run behind
`netns_prefix`; the agent does not, because its Unix socket crosses namespaces.

Everything inside ends with the test, however the test ends: the process that holds the namespaces
(libvirtd_holder.py) reads a pipe from us and kills what lives in them when it closes.
"""

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = {
    "run": "/run/libvirt",
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
}

_CACHE = Path(__file__).parents[1] / ".state" / "libvirt-cache"
"""What libvirt learnt about QEMU, kept between runs: learning it takes seconds. Libvirt checks its age."""

_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
"""

_QEMU_CONF = """\
user = "root"
group = "root"
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""

_HOLDER = Path(__file__).with_name("libvirtd_holder.py")

_SOCKET_PATH_LIMIT = 107
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PrivateLibvirtd:
    """A running libvirtd; `close` ends it with all its guests."""

    folder: Path
    holder: subprocess.Popen[str]

    @property
    def uri(self) -> str:
        return f"qemu:///system?socket={self.folder / 'run' / 'libvirt-sock'}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Run a command inside: its `qemu:///system`, `ip`, `virsh` and `ssh` are those of this libvirtd."""
        return ("nsenter", f"--target={self.holder.pid}", "--mount", "--net", "--")

    @property
    def netns_prefix(self) -> tuple[str, ...]:
        """Run a command in the network namespace only."""
        return ("nsenter", f"--target={self.holder.pid}", "--net", "--")

    @property
    def pid(self) -> int:
        """Of the libvirtd that runs, or ran last."""
        return int((self.folder / "libvirtd.pid").read_text())

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. Its guests run on."""
        _kill(self.pid)

    def kill_guest(self, name: str) -> None:
        """SIGKILL to the emulator of domain `name`; returns when it is gone."""
        _kill(self.emulator(name))

    def freeze_guest(self, name: str) -> None:
        """SIGSTOP to the emulator of domain `name`: it answers nobody any more."""
        os.kill(self.emulator(name), signal.SIGSTOP)

    def emulator(self, name: str) -> int:
        """The process of a running domain."""
        return int((self.folder / "run" / "qemu" / f"{name}.pid").read_text())

    def restart(self) -> None:
        """Start it again after `kill`, over what it left; returns when it answers."""
        if self.holder.stdin is None or self.holder.stdout is None:
            raise RuntimeError("closed")
        self.holder.stdin.write("start\n")
        self.holder.stdin.flush()
        if self.holder.stdout.readline() != "started\n":
            raise RuntimeError(f"libvirtd did not start: {(self.folder / 'holder.log').read_text()}")

    def close(self) -> None:
        """End libvirtd, its guests and its networks. Safe to repeat."""
        if self.holder.stdin is not None:
            self.holder.stdin.close()
        self.holder.wait(_PATIENCE_SECONDS)
        if self.holder.stdout is not None:
            self.holder.stdout.close()


def start_private_libvirtd(folder: Path) -> PrivateLibvirtd:
    """Needs root, libvirtd, util-linux and iproute2; says what is missing. `folder` keeps its logs."""
    root = folder / "libvirtd"
    socket = root / "run" / "libvirt-sock"
    if len(str(socket)) > _SOCKET_PATH_LIMIT:
        raise RuntimeError(f"too long for a Unix socket, use a shorter folder: {socket}")
    if os.geteuid() != 0:
        raise RuntimeError("a private libvirtd needs root (mount and network namespaces)")
    _libvirtd()
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    _CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / "etc" / "libvirtd.conf").write_text(_LIBVIRTD_CONF)
    (root / "etc" / "qemu.conf").write_text(_QEMU_CONF)
    libvirtd = PrivateLibvirtd(root, _hold(root))
    try:
        libvirtd.restart()
    except BaseException:
        libvirtd.close()
        raise
    return libvirtd


@contextmanager
def private_libvirtd(folder: Path) -> Iterator[PrivateLibvirtd]:
    libvirtd = start_private_libvirtd(folder)
    try:
        yield libvirtd
    finally:
        libvirtd.close()


def _hold(root: Path) -> subprocess.Popen[str]:
    """The process whose namespaces all others join."""
    mounts = [word for name, place in _FOLDERS.items() for word in (str(root / name), place)]
    mounts += [str(_CACHE), "/var/cache/libvirt"]
    conf, pidfile = root / "etc" / "libvirtd.conf", root / "libvirtd.pid"
    start = [_libvirtd(), "--daemon", "--config", str(conf), "--pid-file", str(pidfile)]
    inside = [sys.executable, str(_HOLDER), shlex.join(start), *mounts]
    with (root / "holder.log").open("w") as log:
        holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation=private", *inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # a Ctrl-C must not end it before it has cleaned up
        )
    if holder.stdout is None or holder.stdout.readline() != "ready\n":
        holder.wait(_PATIENCE_SECONDS)
        raise RuntimeError(f"no private namespaces: {(root / 'holder.log').read_text()}")
    return holder


def _libvirtd() -> str:
    found = shutil.which("libvirtd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError("libvirtd is not installed (apt install libvirt-daemon-system)")
    return found


def _kill(pid: int) -> None:
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_PATIENCE_SECONDS * 1000):
            raise RuntimeError(f"process {pid} did not end")
    finally:
        os.close(pidfd)
