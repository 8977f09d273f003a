"""The agent with real QEMU and real disk tools, told what to do by a control plane in the test."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from hypervisor_drivers.driver import Driver
from hypervisor_drivers.libvirt.driver import open_driver
from kcloud_common.wire import ImageWant, Power, PowerState, ServerReport, ServerWant
from kcloud_compute import tools
from kcloud_compute.agent import Agent
from kcloud_compute.assembly import Hooks
from kcloud_compute.conf import AgentConf, ComputeConf, LibvirtConf
from tests.boot_sector import ATTENTIVE, DEAF, write_boot_disk
from tests.functional.agent_bench import SERVER, absent, image, is_gone, runs, want
from tests.functional.agent_control_plane import TOKEN, ControlPlane
from tests.libvirtd import PrivateLibvirtd, private_libvirtd
from vfio.sysfs import Sysfs

pytestmark = pytest.mark.libvirt

CIDR = "192.168.233.0/24"


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    with private_libvirtd(tmp_path_factory.mktemp("lv", numbered=True)) as libvirtd:
        yield libvirtd


@pytest.fixture
def driver(libvirtd: PrivateLibvirtd) -> Iterator[Driver]:
    driver = open_driver(libvirtd.uri, "qemu")
    yield driver
    for server_id in driver.domains():
        driver.undefine(server_id)
    driver.close()


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def marks() -> list[tuple[str, float]]:
    """Checkpoints that the agent passed, and when."""
    return []


@pytest.fixture
def agent(
    tmp_path: Path, plane: ControlPlane, driver: Driver, marks: list[tuple[str, float]]
) -> Iterator[Agent]:
    (tmp_path / "token").write_text(TOKEN)
    conf = AgentConf(
        api_url=plane.url,
        host="host-1",
        state_dir=str(tmp_path / "state"),
        enrol_token=str(tmp_path / "token"),
        poll_wait=10.0,
        shutdown_grace=20.0,
    )
    hooks = Hooks(run=tools.run, checkpoint=lambda name: marks.append((name, time.perf_counter())))
    whole = ComputeConf(conf, LibvirtConf(bridge="kcagent0", cidr=CIDR))
    agent = Agent(whole, driver, Sysfs(tmp_path / "no-devices"), hooks=hooks)
    agent.start()
    yield agent
    agent.stop()


def guest(plane: ControlPlane, folder: Path, program: bytes = ATTENTIVE) -> ServerWant:
    data = write_boot_disk(folder / "guest.raw", program).read_bytes()
    wanted: ImageWant = image(data).model_copy(update={"disk_format": "raw"})
    plane.images[wanted.id] = data
    return want(gpu=False, image=wanted, vcpus=1, memory_mib=64)


def console(plane: ControlPlane, wanted: ServerWant, count: int) -> bytes:
    """What the agent sends when asked for the `count`-th time."""
    plane.assign(wanted.model_copy(update={"console_count": count}))
    plane.wait("the console", lambda: bool(plane.consoles) and plane.consoles[-1][1] == count)
    return plane.consoles[-1][2]


def is_off(seen: ServerReport) -> bool:
    return seen.power_state is PowerState.SHUTOFF and not seen.busy


def test_a_server_lives_its_life(plane: ControlPlane, agent: Agent, tmp_path: Path) -> None:
    wanted = guest(plane, tmp_path)
    plane.assign(wanted)
    plane.wait_server(SERVER, runs)
    deadline = time.monotonic() + 60
    asked = 1
    while b"GUEST-READY" not in (text := console(plane, wanted, asked)):
        assert time.monotonic() < deadline, text
        asked += 1
    plane.assign(wanted.model_copy(update={"generation": 2, "power": Power.OFF}))
    plane.wait_server(SERVER, is_off)
    plane.assign(wanted.model_copy(update={"generation": 3}))
    plane.wait_server(SERVER, lambda seen: runs(seen) and seen.generation == 3)
    plane.assign(wanted.model_copy(update={"generation": 3, "reboot_count": 1}))
    plane.wait_server(SERVER, lambda seen: runs(seen) and seen.reboot_count == 1)
    plane.assign(absent())
    plane.wait_server(SERVER, is_gone)
    assert list((tmp_path / "state" / "servers").iterdir()) == []


def test_a_delete_does_not_wait_for_a_guest_that_is_deaf(
    plane: ControlPlane, agent: Agent, tmp_path: Path
) -> None:
    wanted = guest(plane, tmp_path, DEAF)
    plane.assign(wanted)
    plane.wait_server(SERVER, runs)
    plane.assign(wanted.model_copy(update={"generation": 2, "power": Power.OFF}))
    plane.wait_server(SERVER, lambda seen: seen.step == "stop")
    began = time.monotonic()
    plane.assign(absent().model_copy(update={"generation": 3}))
    plane.wait_server(SERVER, is_gone)
    assert time.monotonic() - began < 15


def test_libvirt_may_be_killed_under_a_running_guest(
    plane: ControlPlane, agent: Agent, tmp_path: Path, libvirtd: PrivateLibvirtd
) -> None:
    plane.assign(guest(plane, tmp_path))
    plane.wait_server(SERVER, runs)
    libvirtd.kill()
    plane.wait("the problem", lambda: bool(plane.reports[-1].problems))
    assert plane.reports[-1].servers[0].power_state is PowerState.RUNNING
    libvirtd.restart()
    plane.wait("all is well", lambda: not plane.reports[-1].problems, 60)
    plane.wait_server(SERVER, runs)
    assert not agent.ended.is_set()


def test_the_agents_own_time_before_a_start_is_small(
    plane: ControlPlane, agent: Agent, tmp_path: Path, marks: list[tuple[str, float]]
) -> None:
    """From the new assignment to the call that starts the domain, less libvirt's own time for the rest."""
    wanted = guest(plane, tmp_path)
    own = []
    for number in range(6):
        server_id = UUID(int=0x6000 + number)
        marks.clear()
        began = time.perf_counter()
        plane.assign(wanted.model_copy(update={"id": server_id, "ports": wanted.ports}))
        plane.wait_server(server_id, runs)
        at = dict(reversed(marks))
        libvirt = at["after define"] - at["before define"]
        own.append(at["before start"] - began - libvirt)
        plane.assign(absent(server_id))
        plane.wait_server(server_id, is_gone)
    print(f"agent's own time before start, ms: {[round(1000 * seconds) for seconds in own]}")
    # The first one downloads the image.
    assert statistics.median(own[1:]) < 0.3
