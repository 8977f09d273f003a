"""A PostgreSQL server on a data folder that outlives it, so that what was loaded once can be measured again.

Like tests/postgres.py's it runs without fsync, on a loopback port of its own, as `postgres` when root asks.
"""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.postgres import binaries


@contextmanager
def kept_server(folder: Path) -> Iterator[str]:
    """Run the server whose data is in `folder`, new or from last time; yields the URL of its database
    `postgres`."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("no PostgreSQL server is installed (apt install postgresql)")
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(data, ignore_errors=True)
        _run(programs / "initdb", "-D", data, "-U", "kcloud", "-A", "trust", "--no-sync", "-E", "UTF8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    _run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://kcloud@127.0.0.1:{port}/postgres"
    finally:
        # Not at once: what was loaded must be on disk when it is started again.
        _run(programs / "pg_ctl", "-D", data, "-m", "fast", "-w", "-t", "300", "stop")


def has_database(server: str, name: str) -> bool:
    with _connected(server) as connection:
        return (
            connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None
        )


def create_database(server: str, name: str, *, like: str = "template1") -> str:
    """Its URL. What was there under that name is gone."""
    drop_database(server, name)
    with _connected(server) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    return url_of(server, name)


def rename_database(server: str, name: str, new: str) -> None:
    with _connected(server) as connection:
        connection.execute(f'ALTER DATABASE "{name}" RENAME TO "{new}"')


def drop_database(server: str, name: str) -> None:
    with _connected(server) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def url_of(server: str, name: str) -> str:
    return server.rpartition("/")[0] + f"/{name}"


def _connected(server: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(server.replace("+psycopg", ""), autocommit=True)


def _run(program: Path, *arguments: object) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        [str(program), *map(str, arguments)], user=user, group=user, extra_groups=[] if user else None,
        cwd="/", check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
