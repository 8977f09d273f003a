"""Each import contract is broken on purpose in a copy of the tree, to show that it bites."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("kcloud_api", "kcloud_compute", "kcloud_cli", "kcloud_common", "hypervisor_drivers", "vfio")

BREACHES = {
    "deployables": ("kcloud_compute/breach.py", "import kcloud_api.http\n"),
    "vfio-leaf": ("vfio/breach.py", "import pydantic\n"),
    "drivers-vocabulary": ("hypervisor_drivers/breach.py", "import kcloud_common.errors\n"),
    "no-db-outside-api": ("kcloud_compute/breach.py", "import sqlalchemy\n"),
    "no-host-in-api": ("kcloud_api/breach.py", "import subprocess\n"),
    "api-layers": ("kcloud_api/placement/breach.py", "import kcloud_api.hosts.service\n"),
    "http-at-the-edge": ("kcloud_api/scheduler/breach.py", "import fastapi\n"),
    "pure-cores": ("kcloud_api/scheduler/breach.py", "import random\n"),
    "one-libvirt-door": ("hypervisor_drivers/libvirt/breach.py", "import libvirt\n"),
    "no-cycles": (
        "kcloud_common/breach.py",
        "import kcloud_common.counterpart\n",
        "kcloud_common/counterpart.py",
        "import kcloud_common.breach\n",
    ),
    "tables-behind-services": ("kcloud_api/compute/breach.py", "import kcloud_api.identity.users.tables\n"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def check(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """`PYTHONPATH` puts the copy before the installed tree."""
    words = [word for contract in contracts for word in ("--contract", contract)]
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", *words],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_the_contract_is_found(copy: Path, contract: str) -> None:
    names_and_texts = BREACHES[contract]
    written = []
    try:
        for name, text in zip(names_and_texts[::2], names_and_texts[1::2], strict=True):
            (copy / name).write_text(text)
            written.append(copy / name)
        broken = check(copy, contract)
    finally:
        for path in written:
            path.unlink()
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert "breach" in broken.stdout


def test_without_a_breach_every_contract_is_kept(copy: Path) -> None:
    kept = check(copy, *BREACHES)
    assert kept.returncode == 0, kept.stdout + kept.stderr


def test_every_contract_has_a_breach_here() -> None:
    text = (ROOT / "setup.cfg").read_text()
    declared = {
        line.split(":")[-1].rstrip("]") for line in text.splitlines() if line.startswith("[importlinter:")
    }
    assert declared == set(BREACHES)
