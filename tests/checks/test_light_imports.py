"""What a process loads is what its role allows: shown in fresh processes, where nothing else imports."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def loaded_by(statement: str) -> set[str]:
    """Top-level names of all modules in a fresh process after `statement`."""
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["kcloud_api.main", "kcloud_api.controller", "kcloud_api.manage"])
def test_the_control_plane_cannot_touch_a_host(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"libvirt", "vfio", "hypervisor_drivers", "kcloud_compute"}


def test_the_served_services_cannot_touch_a_host_either() -> None:
    everything = (
        "from importlib import import_module\n"
        "from kcloud_api.main import SERVICES\n"
        "for module in SERVICES.values(): import_module(module)"
    )
    assert not loaded_by(everything) & {"libvirt", "vfio", "hypervisor_drivers", "kcloud_compute", "httpx"}


def test_the_agent_knows_no_database() -> None:
    assert not loaded_by("import kcloud_compute.main") & {"sqlalchemy", "sqlmodel", "alembic", "kcloud_api"}


def test_the_command_lines_help_loads_no_control_plane() -> None:
    program = (
        "import contextlib, io\n"
        "from kcloud_cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main(['--help'])"
    )
    assert not loaded_by(program) & {"sqlalchemy", "fastapi", "libvirt", "httpx", "paramiko"}


def test_a_start_loads_only_what_its_first_answer_needs() -> None:
    everything = (
        "from importlib import import_module\n"
        "import kcloud_cli.cloud\n"
        "from kcloud_api.main import SERVICES\n"
        "for module in SERVICES.values(): import_module(module)"
    )
    heavy = {"alembic", "httpx", "kombu", "libvirt", "oslo_policy", "oslo_utils", "paramiko", "psycopg"}
    assert not loaded_by(everything) & heavy
