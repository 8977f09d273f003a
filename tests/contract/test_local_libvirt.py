"""`local_libvirt.ensure` in a world of its own: uses what runs, starts one, says what it may not start."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.drivers import libvirt_bench
from tests.libvirtd import PrivateLibvirtd, private_libvirtd

pytestmark = pytest.mark.libvirt

_ASK = """
import json, sys
from pathlib import Path
from kcloud_cli import local_libvirt
local_libvirt._SYSTEMD = Path(sys.argv[2])
state = Path(sys.argv[1])
try:
    local_libvirt.ensure(state)
    print(json.dumps({"pid": local_libvirt.pid(state)}))
except local_libvirt.LocalLibvirtMissing as error:
    print(json.dumps({"error": error.message}))
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PrivateLibvirtd]:
    with private_libvirtd(tmp_path) as handle:
        yield handle


def _ensure(world: PrivateLibvirtd, state: Path, *, systemd: str = "/nowhere") -> dict[str, object]:
    """Call it inside, where qemu:///system is this world's."""
    done = subprocess.run(
        [*world.prefix, sys.executable, "-c", _ASK, str(state), systemd],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_libvirtd_that_answers_is_used_as_it_is(world: PrivateLibvirtd, tmp_path: Path) -> None:
    assert _ensure(world, tmp_path / "state") == {"pid": None}
    assert not (tmp_path / "state").exists()


def test_one_is_started_where_none_runs_and_found_again(world: PrivateLibvirtd, tmp_path: Path) -> None:
    world.kill()
    first = _ensure(world, tmp_path / "state")

    assert isinstance(first["pid"], int)
    assert _ensure(world, tmp_path / "state") == first
    with libvirt_bench(tmp_path, world) as bench:
        spec = bench.spec()
        bench.driver.define(spec)
        bench.driver.start(spec.uuid)


def test_no_file_of_the_system_changes(world: PrivateLibvirtd, tmp_path: Path) -> None:
    world.kill()
    qemu_conf = world.folder / "etc" / "qemu.conf"
    before = qemu_conf.read_bytes()
    _ensure(world, tmp_path / "state")

    assert qemu_conf.read_bytes() == before


def test_where_systemd_runs_it_names_the_command_instead(world: PrivateLibvirtd, tmp_path: Path) -> None:
    world.kill()
    answer = _ensure(world, tmp_path / "state", systemd="/proc")

    assert "systemctl enable --now libvirtd.socket" in str(answer["error"])
    assert not (tmp_path / "state").exists()
