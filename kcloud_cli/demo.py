"""`make demo`: a VM with an accelerator in it, from nothing, through the public API and the usual client.

`up` prints a line per phase with its seconds and leaves the cloud running; `down` removes all of it.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypervisor_drivers.spec import NetworkSpec
from kcloud_cli import local_libvirt
from kcloud_cli.operator_api import open_cloud

ROOT = Path(__file__).parents[1]
STATE = ROOT / ".state" / "demo"
DATA = STATE / "cloud"
KCLOUD = ROOT / ".venv" / "bin" / "kcloud"
OPENSTACK = ROOT / ".venv-client" / "bin" / "openstack"
LAB_DEVICE = "0000:41:00.0"
RESOURCE_CLASS = "CUSTOM_NPU"
READY = "GUEST-READY"


class DemoFailed(Exception):
    """Says which phase failed, what it printed, and what to look at."""


class GuestMute(DemoFailed):
    """Its kernel has not said a word: QEMU's emulation of SVM, on which the lab host's guests run, sometimes
    leaves a guest in its first timer interrupts for ever when the machine is busy."""


@contextmanager
def phase(title: str) -> Iterator[None]:
    """One line: what happened and how long it took."""
    began = time.monotonic()
    print(f"{title:<58}", end="", flush=True)
    yield
    print(f"{time.monotonic() - began:7.1f} s", flush=True)


def run(*command: str | Path, seconds: float = 900) -> str:
    """The command's output, or DemoFailed with its words."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=seconds
    )
    if done.returncode != 0:
        raise DemoFailed(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def openstack(*words: str | Path, cloud: str = "kcloud-demo") -> str:
    """The unmodified client, with the clouds.yaml that the cloud wrote."""
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(DATA / "clouds.yaml")
    return run(OPENSTACK, "--os-cloud", cloud, *words)


def start_cloud(port: int, device: str | None) -> str:
    """Start `kcloud up` in the background and return its URL; does nothing when it runs already."""
    url = f"http://127.0.0.1:{port}"
    if running_pid() is not None:
        return url
    DATA.mkdir(parents=True, exist_ok=True)
    offer = ["--set", f"devices.offer=address:{device}={RESOURCE_CLASS}"] if device else []
    log = (STATE / "cloud.log").open("ab")
    child = subprocess.Popen(
        [str(KCLOUD), "up", "--data-dir", str(DATA), "--port", str(port), *offer],
        stdout=subprocess.PIPE,
        stderr=log,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    (STATE / "cloud.pid").write_text(str(child.pid))
    assert child.stdout is not None  # noqa: S101 - PIPE was asked for
    line = child.stdout.readline().decode()
    if not line.startswith("ready "):
        said = (STATE / "cloud.log").read_text(errors="replace").splitlines()[-3:]
        raise DemoFailed("\n  ".join(["the cloud did not start:", *said, f"its log: {STATE / 'cloud.log'}"]))
    return line.split()[1]


def running_pid() -> int | None:
    """Of the demo's cloud, when that very process still runs."""
    with suppress(OSError, ValueError):
        pid = int((STATE / "cloud.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"kcloud" in command and str(DATA).encode() in command:
            return pid
    return None


def console_until_ready(server: str, *, seconds: float) -> list[str]:
    """The guest's own lines about its devices, once it says that it is up. Raises GuestMute."""
    end = time.monotonic() + seconds
    text = ""
    while time.monotonic() < end:
        text = openstack("console", "log", "show", server)
        if READY in text:
            return [line for line in text.splitlines() if re.match(r"GUEST-(PCI|DMA|READY)", line)]
        time.sleep(2)
    if not text.strip():
        raise GuestMute(f"the guest runs, but has said nothing on its console for {seconds:.0f} s")
    raise DemoFailed(f"the guest did not come up in {seconds:.0f} s; its console ends:\n{text[-2000:]}")


def about_device(lines: list[str]) -> list[str]:
    """Those of the guest's lines that speak of a device which a host has handed out."""
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(DATA / "clouds.yaml")
    handed_out = open_cloud("kcloud-admin").devices(state="claimed")
    ids = {f"{device['vendor_id']}:{device['product_id']}" for device in handed_out}
    return [line for line in lines if not line.startswith("GUEST-PCI") or ids & set(line.split())]


def up(port: int, device: str | None) -> None:
    began = time.monotonic()
    with phase("cloud: API, controller, this host's agent"):
        url = start_cloud(port, device)
    if device is None:
        with phase("lab host: an emulated machine with a real IOMMU"):
            run(KCLOUD, "lab", "up", seconds=1200)
        with phase("lab host: enrolled as a second compute host"):
            enroll_lab()
    with phase("image: a tiny guest with a boot loader of its own"):
        image = STATE / "tiny.qcow2"
        if not image.exists():
            run(KCLOUD, "lab", "guest", "tiny", "-o", image)
        ensure("image", "tiny", "--file", image, "--disk-format", "qcow2", "--public", cloud="kcloud-admin")
    with phase(f"flavor with one {RESOURCE_CLASS}, key pair"):
        spec = ("--vcpus", "1", "--ram", "256", "--disk", "0")
        ensure(
            "flavor", "npu.small", *spec, "--property", f"resources:{RESOURCE_CLASS}=1", cloud="kcloud-admin"
        )
        ensure("flavor", "tiny", *spec, cloud="kcloud-admin")
        ensure("keypair", "demo", "--private-key", STATE / "demo.key")
    lines = boot_guest(again=device is None)
    print("\nThe guest's own view of the device, from its console:\n")
    print("\n".join("    " + line for line in about_device(lines)))
    print(farewell(url, time.monotonic() - began))


def boot_guest(*, again: bool) -> list[str]:
    """A server with the device, up; its lines about devices. In the lab a mute one is replaced, once."""
    with phase("server: created and ACTIVE"):
        ensure("server", "first", "--image", "tiny", "--flavor", "npu.small", "--key-name", "demo", "--wait")
    try:
        with phase("guest: booted"):
            return console_until_ready("first", seconds=300 if again else 400)
    except GuestMute as error:
        if not again:
            raise
        print(f"\n{error}; once more")
        openstack("server", "delete", "--wait", "first")
    return boot_guest(again=False)


def ensure(kind: str, name: str, *words: str | Path, cloud: str = "kcloud-demo") -> None:
    """Create it unless it is there, so that `make demo` can be repeated."""
    names = openstack(kind, "list", "-f", "value", "-c", "Name", cloud=cloud).split()
    if name not in names:
        openstack(kind, "create", *words, name, cloud=cloud)


def enroll_lab() -> None:
    """Make the lab host a compute host that offers its one accelerator."""
    offer = f"devices.offer=address:{LAB_DEVICE}={RESOURCE_CLASS}"
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(DATA / "clouds.yaml")
    run(KCLOUD, "host", "enroll", "lab", "--lab", "--set", offer)


def farewell(url: str, seconds: float) -> str:
    return f"""
The cloud runs at {url}; it took {seconds:.0f} s.
Credentials: {DATA / "clouds.yaml"} (clouds kcloud-admin, kcloud-demo)

Try next:
    export OS_CLIENT_CONFIG_FILE={DATA / "clouds.yaml"} OS_CLOUD=kcloud-demo
    {OPENSTACK} server show first
    {OPENSTACK} server create --image tiny --flavor npu.small second   # the device is taken: ask why
    {KCLOUD} device list --os-cloud kcloud-admin

`make clean-demo` removes all of it."""


def down() -> None:
    """Delete the demo's servers, end the cloud and the lab host by pid, remove the demo's files."""
    pid = running_pid()
    if pid is not None:
        with suppress(DemoFailed, OSError, subprocess.TimeoutExpired):
            servers = openstack(
                "server", "list", "--all-projects", "-f", "value", "-c", "ID", cloud="kcloud-admin"
            )
            if servers.split():
                openstack("server", "delete", "--wait", *servers.split(), cloud="kcloud-admin")
        os.kill(pid, signal.SIGINT)
        end = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.1)
    with suppress(DemoFailed):
        run(KCLOUD, "lab", "down")
    leave_libvirt()
    shutil.rmtree(STATE, ignore_errors=True)
    print("removed: the demo's servers, cloud, lab host and files")


def leave_libvirt() -> None:
    """Remove the guests' network, and end the libvirtd that kcloud started; unless guests still need them."""
    virsh = ("virsh", "--connect", "qemu:///system")
    with suppress(DemoFailed, OSError):
        if run(*virsh, "list", "--all", "--name").split():
            return
        for verb in ("net-destroy", "net-undefine"):
            with suppress(DemoFailed):
                run(*virsh, verb, NetworkSpec().name)
        local_libvirt.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="kcloud-demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up")
    starting.add_argument("--port", type=int, default=8774)
    starting.add_argument("--device", help="a PCI address of this host to hand out instead of the lab's")
    commands.add_parser("down")
    arguments = parser.parse_args()
    try:
        if arguments.command == "up":
            up(arguments.port, arguments.device)
        else:
            down()
    except (DemoFailed, subprocess.TimeoutExpired) as error:
        print(f"\nfailed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
