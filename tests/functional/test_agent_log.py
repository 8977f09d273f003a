"""What an agent logs, read as an operator does at night: every line says of which host it speaks, and what is
ordinary work is no warning."""

import logging
from functools import partial
from pathlib import Path

import pytest

from kcloud_common.wire import DeviceState
from tests.functional.agent_bench import SERVER, Bench, devices, is_gone
from tests.functional.agent_control_plane import ControlPlane
from tests.functional.agent_slices import CUTS, halves, leaving, serving
from tests.loglines import Line, logged
from vfio.sim.trees import build


def life(bench: Bench, tree: str) -> None:
    """A card is cut, a server comes and goes, the card is whole again."""
    wanted = halves(tree)
    bench.agent()
    server, first = serving(bench, wanted)
    bench.plane.assign(leaving(server), layout=wanted)
    bench.plane.wait_server(SERVER, is_gone)
    bench.plane.wait("free", lambda: devices(bench)[first.name].state is DeviceState.FREE)
    bench.plane.assign()
    bench.plane.wait("whole", lambda: [each.card for each in devices(bench).values()] == [""])
    bench.plane.wait("well", lambda: bench.plane.reports[-1].problems == ())
    bench.close()


def told(tree: str, folder: Path) -> list[Line]:
    with ControlPlane() as plane, logged() as lines:
        life(Bench(folder, plane, partial(build, tree)), tree)
    return lines


@pytest.mark.parametrize("tree", CUTS)
def test_ordinary_work_is_no_warning_and_every_line_says_its_host(tree: str, tmp_path: Path) -> None:
    lines = told(tree, tmp_path)
    grave = [line for line in lines if line["level"] not in ("info", "debug")]
    assert grave == []
    homeless = [line for line in lines if line.get("host") != "host-1"]
    assert homeless == []
    events = [line["event"] for line in lines]
    for event in ("card_cut", "device_clean", "agent_started", "agent_stopped"):
        assert event in events


def test_of_two_agents_in_one_process_each_speaks_for_its_own_host(tmp_path: Path) -> None:
    with ControlPlane() as one, ControlPlane() as other, logged() as lines:
        benches = [Bench(tmp_path / "1", one), Bench(tmp_path / "2", other)]
        for number, bench in enumerate(benches):
            assert bench.agent(host=f"host-{number}").wait_ready(20)
        for bench in benches:
            bench.close()
    assert {line.get("host") for line in lines} == {"host-0", "host-1"}
    assert logging.getLogger("kcloud_compute").level == logging.NOTSET
