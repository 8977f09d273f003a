"""One lab host for the whole run, apart from an operator's own; forgotten at the end."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from kcloud_cli.lab import guest, host
from kcloud_common.errors import KcloudError
from tests.lab.control import Control, EmulatorHung, start_control
from tests.lab.machine import LabMachine, connect

NAME = "test-lab"
COLD_BUILD_SECONDS = 1500
"""The first test's deadline covers building the image and the boot, on a slow mirror and a busy machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(COLD_BUILD_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report shows the lab host as it was then: fixtures have not cleaned up yet."""
    report = yield
    machine = item.funcargs.get("lab")
    if call.when == "call" and report.failed and isinstance(machine, LabMachine):
        report.sections.append(("the lab host at the failure", machine.evidence()))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """What failed because the lab host hangs is told from what failed by itself."""
    try:
        return (yield)
    except Exception as error:
        machine = pyfuncitem.funcargs.get("lab")
        if isinstance(machine, LabMachine) and _is_stuck(machine):
            raise EmulatorHung("the lab host takes no interrupts") from error
        raise


def _is_stuck(machine: LabMachine) -> bool:
    try:
        return machine.is_stuck()
    except KcloudError:
        # Its QEMU is gone: that is no hang.
        return False


@pytest.fixture(scope="session")
def lab() -> Iterator[LabMachine]:
    """Freshly booted, with kcloud's packages on it and no agent running."""
    host.down(NAME)
    machine = host.up(NAME)
    try:
        booted = LabMachine(machine, connect(machine))
        booted.install_agent()
        yield booted
    finally:
        host.down(NAME)


@pytest.fixture(scope="session")
def tiny_image() -> Path:
    return guest.guest_image("tiny")


@pytest.fixture(scope="session")
def control(lab: LabMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """A cloud whose one host is the lab host."""
    started = start_control(tmp_path_factory.mktemp("control"))
    try:
        started.enroll(f"root@127.0.0.1:{lab.host.ssh_port}", lab.host.key)
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def image(control: Control, tiny_image: Path) -> str:
    made = control.demo.image.create_image(
        "tiny", data=tiny_image.read_bytes(), disk_format="qcow2", container_format="bare"
    )
    return str(made.id)
