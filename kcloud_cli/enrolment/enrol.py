"""The steps of an enrolment, in order; each may be repeated, and a repeated enrolment ends the same."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from uuid import UUID

from kcloud_cli.enrolment import probe
from kcloud_cli.enrolment.bundle import bundle
from kcloud_cli.enrolment.compute_conf import CONF_FILE, TOKEN_FILE, compute_conf
from kcloud_cli.enrolment.remote import Remote, RemoteFailed
from kcloud_cli.enrolment.requirements import DEBIAN_PACKAGES, agent_requirements, unmet
from kcloud_cli.operator_api import HostView, OperatorApi
from kcloud_common.errors import PermanentError, Unavailable

FILES = Path(__file__).parent / "files"
IDENTITY = "/var/lib/kcloud/compute/identity.json"
VENV_PYTHON = "/opt/kcloud/venv/bin/python"
LEAST_PYTHON = (3, 11)
READY_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator wants of the machine."""

    host: str
    api_url: str
    """Where the host finds the API."""
    settings: tuple[str, ...] = ()
    despite_doctor: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine said about itself."""

    systemd: bool
    apt: bool
    python: str
    missing: tuple[str, ...]
    host_id: str


Say = Callable[[str], None]


def enrol(remote: Remote, api: OperatorApi, wish: Wish, say: Say = print) -> HostView:
    """The host, up and known to the control plane."""
    conf = compute_conf(wish.host, wish.api_url, wish.settings)
    with _step(say, "machine looked at"):
        machine = look(remote, wish)
    with _step(say, "agent installed in /opt/kcloud"):
        python = provide_python(remote, machine, say)
        release = bundle()
        remote.run(["sh", "-c", _file("unpack.sh"), "unpack", release.digest, python], data=release.data)
        remote.write(CONF_FILE, conf.encode(), "0600")
    with _step(say, "kcloud doctor run"):
        examine(remote, wish, say)
    epoch = max((host.epoch for host in api.hosts() if host.name == wish.host), default=-1)
    with _step(say, "agent started"):
        stop_agent(remote, machine)
        if not is_same_host(api, wish.host, machine.host_id):
            remote.run(["rm", "-f", IDENTITY])
            remote.write(TOKEN_FILE, api.enrolment_token(wish.host).encode(), "0600")
        start_agent(remote, machine)
    with _step(say, "host reported"):
        host = wait_ready(remote, api, wish, epoch)
    remote.run(["rm", "-f", TOKEN_FILE])
    return host


@contextmanager
def _step(say: Say, what: str) -> Iterator[None]:
    """A line for what was done, with its seconds, once it is done."""
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:7.1f} s  {what}")


def look(remote: Remote, wish: Wish) -> Machine:
    """PermanentError with what to do when this machine cannot be a host."""
    wanted = agent_requirements(requires("kcloud") or ())
    question = {"api_url": wish.api_url, "distributions": list(wanted), "identity": IDENTITY}
    try:
        said = remote.run(["python3", "-", json.dumps(question)], data=Path(probe.__file__).read_bytes())
    except RemoteFailed as error:
        if "not found" in str(error):
            raise PermanentError("the machine has no python3: apt-get install -y python3 there") from error
        raise
    facts = json.loads(said)
    if tuple(facts["python"]) < LEAST_PYTHON:
        raise PermanentError(
            f"the machine's Python is {facts['python']}; 3.11 or newer is needed (Debian 12)"
        )
    if facts["uid"] != 0:
        raise PermanentError(
            "the machine does not let this user become root: use root, or sudo without password"
        )
    if facts["api_error"]:
        raise PermanentError(
            f"the machine cannot reach the API at {wish.api_url}: {facts['api_error']}."
            " Give the address as the machine sees it with --api-url"
        )
    if not facts["libvirt"] and not any(line.startswith("agent.hypervisor=") for line in wish.settings):
        raise PermanentError(
            "libvirt does not run there: apt-get install -y libvirt-daemon-system qemu-system-x86"
        )
    missing = unmet(wanted, facts["distributions"])
    return Machine(facts["systemd"], facts["apt"], "python3", missing, facts["host_id"])


def provide_python(remote: Remote, machine: Machine, say: Say) -> str:
    """The interpreter for the agent: the machine's own when it has all that is needed, else one in a venv."""
    if not machine.missing:
        return "/usr/bin/python3"
    if not machine.apt:
        raise PermanentError(f"the machine's Python lacks {', '.join(machine.missing)}: install these there")
    say(f"installing for Python on the machine: {', '.join(machine.missing)}")
    packages = [*(DEBIAN_PACKAGES[name] for name in machine.missing), "python3-venv"]
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    remote.run([*environment, "apt-get", "-qq", "update"])
    remote.run(
        [*environment, "apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages], timeout=900
    )
    remote.run(["python3", "-m", "venv", "--system-site-packages", "/opt/kcloud/venv"])
    wanted = agent_requirements(requires("kcloud") or ())
    lines = [f"{name}>={least}" for name, least in wanted.items() if name != "libvirt-python"]
    remote.run([VENV_PYTHON, "-m", "pip", "install", "-q", *lines], timeout=900)
    return VENV_PYTHON


def examine(remote: Remote, wish: Wish, say: Say) -> None:
    """The host's first `kcloud doctor`; what it calls an error ends the enrolment."""
    status, out, err = remote.attempt(["/opt/kcloud/bin/kcloud", "doctor", "--config-file", CONF_FILE])
    say("kcloud doctor:\n" + "\n".join(f"    {line}" for line in (out or err).rstrip().splitlines()))
    if status and not wish.despite_doctor:
        raise PermanentError("the doctor found errors on the machine: mend them, or pass --despite-doctor")


def is_same_host(api: OperatorApi, name: str, host_id: str) -> bool:
    """Whether the machine is already that host of this cloud, so that it needs no token."""
    return any(host.name == name and host.id == UUID(host_id) for host in api.hosts()) if host_id else False


def stop_agent(remote: Remote, machine: Machine) -> None:
    if machine.systemd:
        remote.attempt(["systemctl", "stop", "kcloud-compute.service"])
        return
    script = (
        "pid=$(cat /run/kcloud-supervise.pid 2>/dev/null) || exit 0; kill $pid 2>/dev/null || exit 0;"
        " while kill -0 $pid 2>/dev/null; do sleep 0.2; done"
    )
    remote.run(["sh", "-c", script], timeout=120)


def start_agent(remote: Remote, machine: Machine) -> None:
    """Now, and at each start of the machine."""
    if machine.systemd:
        remote.write("/etc/systemd/system/kcloud-compute.service", _file("kcloud-compute.service").encode())
        remote.run(["systemctl", "daemon-reload"])
        remote.run(["systemctl", "enable", "--quiet", "kcloud-compute.service"])
        remote.run(["systemctl", "restart", "kcloud-compute.service"])
        return
    remote.write("/opt/kcloud/supervise", _file("supervise.sh").encode(), "0755")
    remote.run(["sh", "-c", "setsid /opt/kcloud/supervise </dev/null >/dev/null 2>&1 &"])


def wait_ready(remote: Remote, api: OperatorApi, wish: Wish, epoch: int) -> HostView:
    """The host once an agent newer than `epoch` reports; Unavailable with the agent's words if none does."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        for host in api.hosts():
            if host.name == wish.host and host.state == "up" and host.report and host.epoch > epoch:
                return api.host(host.name)
        time.sleep(1)
    log = [
        "sh",
        "-c",
        "tail -n 15 /var/log/kcloud-compute.log 2>/dev/null || journalctl -n 15 -u kcloud-compute",
    ]
    words = remote.attempt(log)[1]
    raise Unavailable(f"{wish.host} sent no report in {READY_SECONDS:.0f} s; its agent says:\n{words}")


def _file(name: str) -> str:
    return (FILES / name).read_text()
