"""A control plane on this machine's loopback without hosts of its own: the lab host is its only one."""

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import openstack.config
import openstack.connection
from openstack.compute.v2.flavor import Flavor
from openstack.compute.v2.server import Server

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.e2e.cloud import free_port
from tests.e2e.processes import BIN, Deadline, Process, eventually
from tests.lab.lab_cards import LABVGPU, NVME

HOST = "lab-host"
RESOURCE_CLASS = "CUSTOM_NPU"
CUT_CARDS = {LABVGPU: "kind:gpu", NVME: "kind:npu,CUSTOM_LAB_NPU"}
"""Cards of which slices go to guests, and what they are."""
OFFERS = {NPU_ADDRESS: RESOURCE_CLASS, **CUT_CARDS}


class EmulatorHung(AssertionError):
    """A guest in the emulated host has run for minutes without its kernel's first word, or that host itself
    has a processor that takes no interrupts. Both were seen with QEMU 10 emulating SVM on a busy machine, and
    both are QEMU's: registers showed the guest in its first timer interrupts, the host with its global
    interrupt flag off. The test is run once more."""


@dataclass
class Control:
    """`kcloud up --hosts 0` and connections to it, as operators and tenants have them."""

    folder: Path
    process: Process
    admin: openstack.connection.Connection
    demo: openstack.connection.Connection

    def kcloud(self, *words: str) -> str:
        """The operator's command line."""
        environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds_yaml(self.folder))}
        done = subprocess.run(
            [str(BIN / "kcloud"), *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def enroll(self, ssh: str, key: Path) -> str:
        port = self.process.wait_ready().rsplit(":", 1)[1]
        api = f"http://10.0.2.2:{port}"
        offers = [f"devices.offer=address:{address}={what}" for address, what in OFFERS.items()]
        settings = [word for offer in offers for word in ("--set", offer)]
        return self.kcloud(
            "host", "enroll", HOST, "--ssh", ssh, "--key", str(key), "--api-url", api, *settings
        )

    def ask(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What the operator's command line prints with --json."""
        return json.loads(self.kcloud(*words, "--json"))

    def boot(self, name: str, image: str, flavor: Flavor) -> Server:
        """A server, once it is ACTIVE or ERROR."""
        server = self.demo.compute.create_server(
            name=name, image_id=image, flavor_id=flavor.id, networks="auto"
        )
        return eventually(
            lambda: self._when(server, {"ACTIVE", "ERROR"}), f"{name} is ACTIVE", seconds=400, every=1
        )

    def wait_status(self, server: Server, status: str, *, seconds: float = 300) -> Server:
        return eventually(lambda: self._when(server, {status}), f"status {status}", seconds=seconds, every=1)

    def console(self, server: Server) -> str:
        return str(self.demo.compute.get_server_console_output(server).get("output") or "")

    def console_of_ready(self, server: Server, text: str) -> str:
        """The console's log once it holds `text`. EmulatorHung when the guest's kernel never says a word."""

        def look() -> str | None:
            shown = self.console(server)
            return shown if text in shown else None

        try:
            return eventually(look, f"{text} on the console", seconds=480, every=2)
        except Deadline as error:
            if self.console(server).strip():
                raise
            raise EmulatorHung(f"{server.name} runs and is mute") from error

    def delete(self, server: Server) -> None:
        self.demo.compute.delete_server(server)
        self.demo.compute.wait_for_delete(server, wait=200)

    def delete_all(self) -> None:
        """Every server of every project; returns when none is left."""
        for server in list(self.admin.compute.servers(all_projects=True)):
            self.admin.compute.delete_server(server, ignore_missing=True)
            self.admin.compute.wait_for_delete(server, wait=300)

    def allocations(self) -> dict[str, object]:
        """By provider name, what is held by anybody."""
        placement = self.admin.placement
        held: dict[str, object] = {}
        for provider in placement.get("/resource_providers").json()["resource_providers"]:
            used = placement.get(f"/resource_providers/{provider['uuid']}/allocations").json()["allocations"]
            if used:
                held[provider["name"]] = used
        return held

    def close(self) -> None:
        self.admin.close()
        self.demo.close()
        self.process.stop()

    def _when(self, server: Server, statuses: set[str]) -> Server | None:
        shown: Server = self.demo.compute.get_server(server.id)
        return shown if shown.status in statuses else None


def start_control(folder: Path) -> Control:
    words = ["kcloud", "up", "--data-dir", str(folder / "data"), "--port", str(free_port())]
    process = Process([*words, "--hypervisor", "fake", "--hosts", "0"], folder / "control.log")
    with contextlib.ExitStack() as undo:
        undo.callback(process.stop)
        process.start()
        config = openstack.config.OpenStackConfig(config_files=[str(clouds_yaml(folder))])
        admin, demo = (
            openstack.connection.Connection(config=config.get_one(cloud=cloud))
            for cloud in ("kcloud-admin", "kcloud-demo")
        )
        undo.pop_all()
    return Control(folder, process, admin, demo)


def clouds_yaml(folder: Path) -> Path:
    return folder / "data" / "clouds.yaml"
