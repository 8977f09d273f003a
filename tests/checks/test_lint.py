"""The tree's own rules, run as tests so that one run has one summary."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("lint-imports",), ("codespell",)],
    ids=lambda command: "-".join(command).strip("-."),
)
def test_the_tree_obeys(command: tuple[str, ...]) -> None:
    status, output = run(*command)
    assert status == 0, output


@pytest.mark.slow
def test_every_type_is_strict() -> None:
    status, output = run("mypy")
    assert status == 0, output
