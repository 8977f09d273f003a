"""Brings the suite about slices, the lab's cards for it and pytest onto the lab host, and runs them there."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kcloud_cli.enrolment.bundle import archive
from tests.lab.machine import LabMachine

TESTS = Path(__file__).parents[1]
FILES = (
    "__init__.py",
    "slice_bench.py",
    "contract/__init__.py",
    "contract/test_slices.py",
    "lab/__init__.py",
    *(f"lab/{name}.py" for name in ("host_tree", "lab_cards", "lab_benches", "slice_kills")),
)
TOOLS = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
FOLDER = "/opt/kcloud-suite"
PYTHON = ("env", "-C", FOLDER, f"PYTHONPATH={FOLDER}:/opt/kcloud/current", "python3", "-B")


def bring(lab: LabMachine) -> None:
    files = {f"tests/{name}": (TESTS / name).read_bytes() for name in FILES}
    files = {name: data for tool in TOOLS for name, data in _modules(tool).items()} | files
    unpack = 'rm -rf "$1" && mkdir -p "$1" && tar -xz -C "$1"'
    lab.remote.run(["sh", "-c", unpack, "sh", FOLDER], data=archive(files))


def suite(lab: LabMachine, chosen: str) -> str:
    """Of one card, or less; what pytest said, and at last its exit status."""
    words = "-q -rA --tb=short --durations=5 -W error -p no:cacheprovider -p tests.lab.lab_benches -k"
    arguments = [*words.split(), chosen, "tests/contract/test_slices.py"]
    status, out, err = lab.remote.attempt([*PYTHON, "-m", "pytest", *arguments], timeout=900)
    return f"{out}{err}\nexit status {status}"


def kills(lab: LabMachine, seed: int, count: int) -> dict[str, Any]:
    words = ["-m", "tests.lab.slice_kills", str(seed), str(count), f"{FOLDER}/kills"]
    answer: dict[str, Any] = json.loads(lab.run(*PYTHON, *words, timeout=900))
    return answer


def _modules(name: str) -> dict[str, bytes]:
    """Of a package or of a module in one file."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise LookupError(f"there is no {name} here")
    origin = Path(found.origin)
    paths = origin.parent.rglob("*.py") if found.submodule_search_locations else (origin,)
    site = origin.parent.parent if found.submodule_search_locations else origin.parent
    return {str(path.relative_to(site)): path.read_bytes() for path in paths}
