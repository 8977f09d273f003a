"""A PostgreSQL server of the test's own: a temporary data folder, a loopback port, gone when the test ends.

PostgreSQL refuses to run as root; a test run by root starts it as the user `postgres`.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are, the newest release first; None when there is no server."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = shutil.which("initdb")
    return next((folder for folder in folders if (folder / "initdb").exists()), None) or (
        Path(found).parent if found else None
    )


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; yields `postgresql+psycopg://...` of its database `postgres`."""
    folder = binaries()
    if folder is None:
        raise RuntimeError("no PostgreSQL server is installed (apt install postgresql)")
    home = Path(tempfile.mkdtemp(prefix="kcloud-pg-"))
    data = home / "data"
    port = _free_port()
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(home, account.pw_uid, account.pw_gid)
        _run(folder, "initdb", "-D", str(data), "-U", "kcloud", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        _run(folder, "pg_ctl", "-D", str(data), "-w", "-l", str(home / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://kcloud@127.0.0.1:{port}/postgres"
        finally:
            _run(folder, "pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """An empty database on a running server."""
    name = f"kcloud_{uuid4().hex}"
    plain = server_url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _run(folder: Path, program: str, *arguments: str) -> None:
    command: Sequence[str] = (str(folder / program), *arguments)
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        command, user=user, group=user, extra_groups=[] if user else None, cwd="/", check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
