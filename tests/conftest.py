"""What all tests share: `--regenerate` rewrites golden files and generated pages; else they are compared.

A test may count what it has tried (`record_property("counted", [what, number])`): the summary has the sums.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sharing import MACHINE, Scheduler, scope_of

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="rewrite golden files; review the diff")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: scope_of(item.nodeid) != MACHINE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    return Scheduler(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much was tried, and what had to be tried twice."""
    counted: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        if report.when == "call":
            counted.update(dict(_counts(report)))
    if counted:
        terminalreporter.section("counted")
    for what, number in sorted(counted.items()):
        terminalreporter.write_line(f"{number} {what}")
    again = terminalreporter.getreports("rerun")
    if again:
        terminalreporter.section(f"RUN AGAIN: {len(again)}", red=True)
    for report in again:
        told = report.longreprtext.strip().splitlines() or ["for an unknown reason"]
        terminalreporter.write_line(f"{report.nodeid} ({report.when}): {told[-1]}", red=True)


def _counts(report: pytest.TestReport) -> Iterator[tuple[str, int]]:
    for name, value in report.user_properties:
        if name == "counted" and isinstance(value, list):
            yield str(value[0]), int(value[1])


class Golden:
    """Compares text with a file under the repository's root, or rewrites the file."""

    def __init__(self, regenerate: bool) -> None:
        self._regenerate = regenerate

    def check(self, path: str, text: str) -> None:
        file = ROOT / path
        if self._regenerate:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        kept = file.read_text() if file.exists() else ""
        assert text == kept, f"{path} differs; if the new text is right, run pytest --regenerate"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(bool(request.config.getoption("--regenerate")))
