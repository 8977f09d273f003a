"""kcloud-compute as a process: how it starts, what it prints, how it ends. No guest is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kcloud_compute.main import DO_NOT_RESTART
from tests.functional.agent_control_plane import TOKEN, ControlPlane
from tests.functional.agent_fixtures import plane

__all__ = ["plane"]

# Each start of a process costs a second of imports.
pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path, plane: ControlPlane) -> Path:
    (tmp_path / "token").write_text(TOKEN)
    file = tmp_path / "kcloud-compute.conf"
    file.write_text(
        f"[agent]\napi_url = {plane.url}\nhost = node-1\nstate_dir = {tmp_path}/state\n"
        f"enrol_token = {tmp_path}/token\nhypervisor = fake\n"
        # Nothing of the machine that runs the tests is offered to anybody.
        "[devices]\noffer = ffff:fffe\n"
    )
    return file


def start(config: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kcloud_compute.main", "--config-file", str(config), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_says_ready_when_it_serves_and_ends_on_sigterm(config: Path, plane: ControlPlane) -> None:
    with start(config) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready node-1 at {plane.url}\n"
        assert plane.reports
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "critical" not in errors


def test_a_second_one_on_the_same_state_is_told_why_not(config: Path) -> None:
    with start(config) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("ready")
        with start(config) as second:
            _, errors = second.communicate(timeout=20)
        assert second.returncode == DO_NOT_RESTART
        assert "one state_dir serves one agent" in errors
        first.terminate()
        first.communicate(timeout=20)


def test_after_a_kill_the_next_one_takes_over(config: Path, plane: ControlPlane) -> None:
    with start(config) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("ready")
        os.kill(first.pid, signal.SIGKILL)
        first.communicate(timeout=20)
    with start(config) as second:
        assert second.stdout is not None
        assert second.stdout.readline().startswith("ready")
        assert plane.epoch == 2
        second.terminate()
        second.communicate(timeout=20)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("agent.report_intervall=5", "no option"),
        ("agent.hypervisor=vmware", "vmware"),
        ("devices.offer=not-a-rule", "not-a-rule"),
        ("agent.host=-bad-", "host name"),
        ("agent.enrol_token=/nonexistent/token", "not enrolled"),
    ],
)
def test_a_wrong_setting_is_said_and_not_repeated(config: Path, setting: str, words: str) -> None:
    with start(config, "--set", setting) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == DO_NOT_RESTART
    assert words in errors
    assert "Traceback" not in errors
