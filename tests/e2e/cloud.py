"""A cloud of separate processes (API with controller, one agent) over a libvirtd of the test's own."""

import configparser
import contextlib
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack
import openstack.connection

from tests.e2e.processes import Process, eventually
from tests.libvirtd import PrivateLibvirtd


@dataclass
class Cloud:
    """`control` is `kcloud up` without hosts, `agent` is `kcloud-compute`: each can be killed alone."""

    folder: Path
    libvirtd: PrivateLibvirtd
    control: Process
    agent: Process
    _connections: dict[str, openstack.connection.Connection] = field(default_factory=dict)

    @property
    def clouds_yaml(self) -> Path:
        return self.folder / "data" / "clouds.yaml"

    @property
    def host_dir(self) -> Path:
        return self.folder / "host"

    def connection(self, cloud: str = "kcloud-demo") -> openstack.connection.Connection:
        """The OpenStack SDK as an ordinary program would use it."""
        if cloud not in self._connections:
            config = openstack.config.OpenStackConfig(config_files=[str(self.clouds_yaml)])
            self._connections[cloud] = openstack.connection.Connection(config=config.get_one(cloud=cloud))
        return self._connections[cloud]

    def domains(self) -> set[str]:
        """Names of all domains of this libvirtd, running or not."""
        command = ["virsh", "--connect", self.libvirtd.uri, "list", "--all", "--name"]
        return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    def is_defined(self, server: str) -> bool:
        """By libvirt's own file, so that a moment can be caught."""
        return (self.libvirtd.folder / "etc" / "qemu" / f"kcloud-{server}.xml").exists()

    def has_process(self, server: str) -> bool:
        """From when libvirt writes down the emulator's pid, which is before the emulator runs."""
        return (self.libvirtd.folder / "run" / "qemu" / f"kcloud-{server}.pid").exists()

    def taps(self) -> set[str]:
        """Guest NICs that the host's kernel still has."""
        output = subprocess.run(
            [*self.libvirtd.netns_prefix, "ip", "-o", "link"], capture_output=True, text=True, check=True
        ).stdout
        names = {line.split(":")[1].strip().split("@")[0] for line in output.splitlines()}
        return {name for name in names if name.startswith(("vnet", "tap"))}

    def allocations(self) -> dict[str, Any]:
        """Everything that any consumer holds, by provider name."""
        admin = self.connection("kcloud-admin")
        placement = admin.placement
        held = {}
        for provider in placement.get("/resource_providers").json()["resource_providers"]:
            used = placement.get(f"/resource_providers/{provider['uuid']}/allocations").json()["allocations"]
            if used:
                held[provider["name"]] = used
        return held

    def leftovers(self) -> dict[str, object]:
        """What a host and the control plane still hold for servers; empty when all is as before."""
        servers = self.host_dir / "servers"
        journal = self.host_dir / "journal"
        found = {
            "domains": self.domains(),
            "disks": {entry.name for entry in servers.iterdir()} if servers.exists() else set(),
            "journal": {entry.name for entry in journal.iterdir()} if journal.exists() else set(),
            "taps": self.taps(),
            "allocations": self.allocations(),
        }
        return {what: left for what, left in found.items() if left}

    def assert_nothing_left(self) -> None:
        eventually(
            lambda: not self.leftovers(), f"nothing is left of the servers: {self.leftovers()}", seconds=10
        )

    def upload(self, name: str, path: Path) -> str:
        """A public image of that file; its id."""
        made = self.connection("kcloud-admin").image.create_image(
            name,
            data=path.read_bytes(),
            disk_format="qcow2",
            container_format="bare",
            visibility="public",
        )
        return str(made.id)

    def enrolment_token(self, host: str) -> str:
        """A one-time token, as an operator would get it."""
        session = self.connection("kcloud-admin").session
        endpoint = session.get_endpoint(service_type="kcloud", interface="public")
        answer = session.post(f"{endpoint}/v1/enrolments", json={"host": host})
        return str(answer.json()["token"])

    def kill(self, victim: str) -> None:
        """kill -9 of `agent`, `control` or `libvirtd`."""
        if victim == "libvirtd":
            self.libvirtd.kill()
        else:
            getattr(self, victim).kill()

    def revive(self, victim: str) -> None:
        if victim == "libvirtd":
            self.libvirtd.restart()
        else:
            getattr(self, victim).start()

    def stop(self) -> None:
        self.agent.stop()
        self.control.stop()


def start_cloud(folder: Path, libvirtd: PrivateLibvirtd, *settings: str) -> Cloud:
    """Start control plane and agent, and wait until the host is ready for servers. `settings` are the
    agent's (`group.option=value`)."""
    control = Process(
        ["kcloud", "up", "--data-dir", str(folder / "data"), "--port", str(free_port()), "--hosts", "0"],
        folder / "control.log",
    )
    agent = Process(["kcloud-compute", "--config-file", str(folder / "compute.conf")], folder / "agent.log")
    cloud = Cloud(folder, libvirtd, control, agent)
    with contextlib.ExitStack() as undo:
        undo.callback(cloud.stop)
        url = control.start().split()[1]
        options = {
            "agent.api_url": url,
            "agent.host": "test-host",
            "agent.state_dir": str(cloud.host_dir),
            "agent.enrol_token": str(folder / "enrol-token"),
            "libvirt.uri": libvirtd.uri,
            **dict(setting.split("=", 1) for setting in settings),
        }
        (folder / "enrol-token").write_text(cloud.enrolment_token("test-host"))
        write_agent_config(folder / "compute.conf", options)
        agent.start()
        undo.pop_all()
    return cloud


def write_agent_config(path: Path, options: Mapping[str, str]) -> None:
    """An INI file as an operator would write it."""
    config = configparser.ConfigParser(interpolation=None)
    for name, value in options.items():
        group, option = name.split(".", 1)
        if not config.has_section(group):
            config.add_section(group)
        config.set(group, option, value)
    with path.open("w") as file:
        config.write(file)


def free_port() -> int:
    """A port that was free a moment ago; the control plane must come back on the same one after a kill."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
