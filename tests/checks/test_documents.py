"""What the documents name is there: files by their path or the end of it, and pages that are linked to."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|toml|cfg|ini))`")
LINKED = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def tracked() -> list[str]:
    """Files of the tree as git knows them, and those that are about to be added."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ["/" + line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def missing(page: Path) -> list[str]:
    files = tracked()
    text = page.read_text()
    gone = [name for name in NAMED.findall(text) if not any(file.endswith("/" + name) for file in files)]
    return gone + [link for link in LINKED.findall(text) if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert missing(page) == []


def test_a_file_that_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`kcloud_common/errors.py` and `gone/errors.py`, [there](page.md) and [not](gone.md)")
    assert missing(page) == ["gone/errors.py", "gone.md"]
