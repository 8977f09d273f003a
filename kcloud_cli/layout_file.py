"""Reads a layout from a file: TOML as a person writes it, or JSON as the API shows it."""

import json
import sys
import tomllib
from pathlib import Path

from kcloud_common.errors import BadRequest

SHOWN_ONLY = frozenset({"id", "told_as", "user_id", "created_at"})
"""What the API says of a layout and nobody tells it: so that what `show --json` prints can be given back."""


def read(path: Path) -> dict[str, object]:
    """What makes sense in it the API decides. BadRequest for a file that cannot be read."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> dict[str, object]:
    """Pure. JSON begins with a brace, and TOML never does."""
    sort = "JSON" if text.lstrip().startswith("{") else "TOML"
    try:
        found = json.loads(text) if sort == "JSON" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{name} is no {sort}: {error}") from error
    return {key: value for key, value in found.items() if key not in SHOWN_ONLY}
