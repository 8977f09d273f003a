"""Every command that the README and the guide name exists and understands the words it is given."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
COMMANDS = re.compile(r"^    (?:\.venv/bin/)?((?:kcloud[a-z-]*|make)\b[^#\n]*)", re.MULTILINE)


def commands() -> list[str]:
    return sorted({match.strip() for page in DOCUMENTS for match in COMMANDS.findall(page.read_text())})


def test_the_documents_name_commands() -> None:
    assert len(commands()) > 8


@pytest.mark.parametrize("command", [text for text in commands() if text.startswith("make")])
def test_a_make_target_exists(command: str) -> None:
    done = subprocess.run(
        ["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [text for text in commands() if text.startswith("kcloud")])
def test_a_command_knows_its_options(command: str) -> None:
    words = command.split()
    program, subcommands = words[0], [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word)]
    done = subprocess.run(
        [str(BIN / program), *subcommands, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for option in re.findall(r"--[a-z-]+", command):
        assert option in done.stdout, f"{program} {' '.join(subcommands)} does not know {option}"


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (ROOT / target).exists(), target
