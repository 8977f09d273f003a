"""Empty databases with our schema, one after the other: it is migrated once and then copied."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg

from kcloud_api.db.migration import upgrade

MakeDatabase = Callable[[str], str]
"""A name to the URL of a new database."""


def sqlite_copies(folder: Path) -> MakeDatabase:
    upgrade(f"sqlite:///{folder}/empty.db")

    def made(name: str) -> str:
        shutil.copy(folder / "empty.db", folder / f"{name}.db")
        return f"sqlite:///{folder}/{name}.db"

    return made


def postgres_copies(server_url: str) -> MakeDatabase:
    """They go with the server."""
    base = server_url.rpartition("/")[0]
    _create(server_url, 'CREATE DATABASE "empty"')
    upgrade(f"{base}/empty")

    def made(name: str) -> str:
        _create(server_url, f'CREATE DATABASE "{name}" TEMPLATE "empty"')
        return f"{base}/{name}"

    return made


def _create(server_url: str, statement: str) -> None:
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)
