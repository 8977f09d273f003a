"""What all tests share: `--regenerate` rewrites golden files and generated pages; else they are compared."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="rewrite golden files; review the diff")


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
