"""Finds every service's module of one name: its tables for migrations, its policies for the enforcer.

By looking and not by a list, so that a new service's tables cannot be forgotten in a migration.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

PACKAGE = "kcloud_api"


def modules_named(name: str) -> Iterator[ModuleType]:
    """Import `kcloud_api.**.<name>`, in a stable order."""
    root = Path(__file__).parent.parent
    for file in sorted(root.rglob(f"{name}.py")):
        inner = file.relative_to(root).with_suffix("").parts
        yield import_module(".".join((PACKAGE, *inner)))
