"""One host on a bench: a fake hypervisor, a fake kernel, fake disk tools, and agents that come and go."""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from hypervisor_drivers.fake import FakeDriver
from kcloud_common.wire import (
    ClaimWant,
    DeviceReport,
    DeviceState,
    GuestData,
    ImageWant,
    PortWant,
    PowerState,
    Presence,
    ServerReport,
    ServerWant,
)
from kcloud_compute.agent import Agent
from kcloud_compute.assembly import Hooks
from kcloud_compute.conf import AgentConf, ComputeConf
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.tools import ToolFailed
from tests.functional.agent_control_plane import TOKEN, ControlPlane
from vfio.sysfs import Sysfs
from vfio.testing import FakeHost, two_function_group

IMAGE_ID = UUID(int=0x1A)
IMAGE = b"QFI\xfb" + bytes(range(256)) * 64
SERVER = UUID(int=0x5E01)
OTHER = UUID(int=0x5E02)
CLAIM = UUID(int=0xC101)
GPU = ("0000:41:00.0", "0000:41:00.1")
GPU_NAME = "pci_0000_41_00_0"


class Killed(BaseException):
    """The agent's process is gone. No code under test may handle it."""


class KillAt:
    """Kills at the n-th checkpoint; from then on nothing happens in that process any more."""

    def __init__(self, number: int | None) -> None:
        self.names: list[str] = []
        self._number = number
        self._lock = threading.Lock()
        self.dead = False

    def __call__(self, name: str) -> None:
        with self._lock:
            if not self.dead:
                self.names.append(name)
                self.dead = len(self.names) - 1 == self._number
            if self.dead:
                raise Killed(name)


class FakeTools:
    """qemu-img and the ISO writer as the agent uses them, without the programs."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def __call__(self, command: Sequence[str]) -> bytes:
        self.commands.append(" ".join(command[:2]))
        if command[:2] == ("qemu-img", "info"):
            return self._info(Path(command[-1]))
        if command[:2] == ("qemu-img", "create"):
            assert Path(command[command.index("-b") + 1]).is_file()
            Path(command[-2]).write_bytes(b"QFI\xfboverlay")
            return b""
        assert command[0] == "genisoimage"
        files = sorted(Path(command[-1]).rglob("*"))
        text = b"".join(path.read_bytes() for path in files if path.is_file())
        Path(command[command.index("-o") + 1]).write_bytes(text)
        return b""

    def _info(self, path: Path) -> bytes:
        data = path.read_bytes()
        if not data.startswith(b"QFI\xfb"):
            raise ToolFailed("Image is not in qcow2 format")
        facts: dict[str, object] = {"virtual-size": 1 << 20}
        if b"backing:" in data:
            facts["backing-filename"] = "/etc/shadow"
        return json.dumps(facts).encode()


class Bench:
    """Outlives its agents, as a host does."""

    def __init__(
        self, folder: Path, plane: ControlPlane, machine: Callable[[Path], FakeHost] = two_function_group
    ) -> None:
        self.plane = plane
        folder.mkdir(exist_ok=True)
        self.state = folder / "state"
        self.token = folder / "token"
        self.token.write_text(TOKEN)
        self.hypervisor = folder / "hypervisor"
        self._machine, self._hardware = machine, folder / "host"
        self.tools = FakeTools()
        self.agents: list[Agent] = []
        self.find_again()
        self.untouched = self.host.picture()
        plane.images[IMAGE_ID] = IMAGE

    def find_again(self) -> None:
        """Host and hypervisor as their folders have them; nothing is planned to go wrong."""
        self.host: FakeHost = self._machine(self._hardware)
        self.driver = FakeDriver(self.hypervisor)

    def conf(self, **changes: object) -> ComputeConf:
        options: dict[str, object] = {
            "api_url": self.plane.url,
            "host": "host-1",
            "state_dir": str(self.state),
            "enrol_token": str(self.token),
            "hypervisor": "fake",
            "poll_wait": 10.0,
            "workers": 4,
        }
        return ComputeConf(AgentConf(**(options | changes)))  # type: ignore[arg-type]

    def agent(
        self, checkpoint: Checkpoint = no_checkpoint, sysfs: Sysfs | None = None, **changes: object
    ) -> Agent:
        """A started agent."""
        hooks = Hooks(run=self.tools, checkpoint=checkpoint)
        agent = Agent(self.conf(**changes), self.driver, sysfs or self.host.sysfs(), hooks=hooks)
        self.agents.append(agent)
        agent.start()
        return agent

    def close(self) -> None:
        """Guests run on."""
        for agent in self.agents:
            agent.stop()
        self.agents = []

    def reboot_host(self) -> None:
        """It comes up again without an agent."""
        self.close()
        self.host.reboot()
        self.driver.reboot_host()

    def folder(self, server_id: UUID = SERVER) -> Path:
        return self.state / "servers" / str(server_id)

    def leaks(self) -> list[str]:
        """What a host without servers should not have."""
        left = [f"domain {id}" for id in self.driver.domains()]
        left += [f"file {path}" for path in (self.state / "servers").rglob("*")]
        left += [f"journal {path}" for path in (self.state / "journal").iterdir()]
        left += [f"layout {path}" for path in (self.state / "layouts").iterdir()]
        # Of devices' records one may be under way: that the control plane has a certificate is noted last.
        unfinished = (path for path in self.state.rglob("*.new") if path.parent.name != "devices")
        left += [f"unfinished {path}" for path in unfinished]
        now = self.host.picture()
        left += [
            f"{path}: {self.untouched.get(path)!r} became {now.get(path)!r}"
            for path in sorted(self.untouched.keys() | now.keys())
            if self.untouched.get(path) != now.get(path)
        ]
        return left


def image(data: bytes = IMAGE, image_id: UUID = IMAGE_ID) -> ImageWant:
    digest = hashlib.sha512(data).hexdigest()
    return ImageWant(id=image_id, sha512=digest, size=len(data), disk_format="qcow2")


def gpu_claim(claim_id: UUID = CLAIM) -> ClaimWant:
    return ClaimWant(id=claim_id, device=GPU_NAME, addresses=GPU)


def want(server_id: UUID = SERVER, *, gpu: bool = True, **changes: object) -> ServerWant:
    whole = ServerWant(
        id=server_id,
        generation=1,
        presence=Presence.PRESENT,
        name="web",
        image=image(),
        claims=(gpu_claim(),) if gpu else (),
        ports=(PortWant(id=UUID(int=0xF0), mac=f"fa:16:3e:00:00:{server_id.int % 256:02x}"),),
        guest=GuestData(hostname="web", project_id="p1", user_data="c2VjcmV0"),
    )
    return whole.model_copy(update=changes)


def absent(server_id: UUID = SERVER, *claims: ClaimWant) -> ServerWant:
    return ServerWant(id=server_id, generation=2, presence=Presence.ABSENT, claims=claims)


def runs(seen: ServerReport) -> bool:
    return seen.power_state is PowerState.RUNNING and seen.generation >= 1 and not seen.busy


def is_gone(seen: ServerReport) -> bool:
    return seen.gone


def wait_off(bench: Bench) -> None:
    bench.plane.wait_server(SERVER, lambda seen: seen.power_state is PowerState.SHUTOFF and not seen.busy)


def devices(bench: Bench) -> dict[str, DeviceReport]:
    """As they were reported last."""
    return {device.name: device for device in bench.plane.reports[-1].devices}


def device(bench: Bench) -> DeviceReport:
    return devices(bench)[GPU_NAME]


def wait_state(bench: Bench, wanted: DeviceState, *words: str) -> None:
    """Until the GPU is in that state, with these words in its reason."""

    def now() -> bool:
        if not bench.plane.reports:
            return False
        found = device(bench)
        return found.state is wanted and all(word in found.reason for word in words)

    bench.plane.wait(f"it is {wanted} {words}", now)
