"""Runs upstream's placement service beside ours: its own PostgreSQL server, uWSGI, noauth2.

`venv` is a virtual environment that somebody has made for it, so that it shares no library with ours:

    python3.11 -m venv VENV; VENV/bin/pip install openstack-placement==16.0.0 psycopg2-binary pyuwsgi
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.kept_postgres import create_database, has_database, kept_server, rename_database
from benchmarks.placement_rest import load_over_rest
from benchmarks.placement_service import Target
from benchmarks.processes_cpu import listening_on

CONFIG = """[api]
auth_strategy = noauth2
[placement_database]
connection = {connection}
[oslo_policy]
enforce_new_defaults = false
"""
WORKERS = 2


@contextmanager
def upstream(venv: Path, folder: Path, shape: str, hosts: int) -> Iterator[Target]:
    """The service with that many hosts. `folder` keeps its databases: loading them is the slow part."""
    folder.mkdir(parents=True, exist_ok=True)
    with kept_server(folder / "upstream-postgres") as server:
        name = f"upstream_{shape}_{hosts}"
        if not has_database(server, name):
            unfinished = f"{name}_unfinished"
            create_database(server, unfinished)
            with _served(venv, folder, server, unfinished) as target:
                began = time.monotonic()
                load_over_rest(target, shape, hosts)
                print(f"upstream: loaded over REST in {time.monotonic() - began:.0f} s", flush=True)
            rename_database(server, unfinished, name)
        # Claims change it: a copy, as ours is.
        create_database(server, "run", like=name)
        with _served(venv, folder, server, "run") as target:
            yield target


@contextmanager
def _served(venv: Path, folder: Path, server: str, database: str) -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    connection = server.rpartition("/")[0].replace("+psycopg", "+psycopg2") + f"/{database}"
    settings = folder / "upstream-etc"
    settings.mkdir(exist_ok=True)
    (settings / "placement.conf").write_text(CONFIG.format(connection=connection))
    environment = {**os.environ, "OS_PLACEMENT_CONFIG_DIR": str(settings), "PYTHONPATH": ""}
    with (folder / "upstream.log").open("ab") as log:
        _sync(venv, settings, environment)
        process = subprocess.Popen(
            [
                venv / "bin" / "uwsgi", "--master", "--die-on-term", "--need-app", "--lazy-apps",
                "--enable-threads", "--processes", str(WORKERS), "--threads", "1", "--buffer-size", "65535",
                "--thunder-lock", "--http-socket", f"127.0.0.1:{port}", "--disable-logging",
                "--add-header", "Connection: close", "--module", "placement.wsgi.api:application",
                "--virtualenv", str(venv),
            ],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        # Workers are children of the master, and each connection is a child of the database's.
        postgres = listening_on(int(server.rpartition(":")[2].partition("/")[0]))[:1]
        target = Target("upstream", f"http://127.0.0.1:{port}", (), [process.pid, *postgres])
        try:
            _wait_for(target, process)
            yield target
        finally:
            target.close()
            process.terminate()
            process.wait(timeout=60)


def _sync(venv: Path, settings: Path, environment: Mapping[str, str]) -> None:
    program = str(venv / "bin" / "placement-manage")
    command = [program, "--config-file", str(settings / "placement.conf"), "db", "sync"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for(target: Target, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            target.check("GET", "/traits?name=startswith:HW_CPU_X86_AVX2")
        except (OSError, RuntimeError):
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return
