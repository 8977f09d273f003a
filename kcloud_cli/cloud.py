"""The work of `kcloud up`: the whole cloud in one process, control plane and agents composed in one place.

It migrates the database, serves the API, runs the loops and an agent for each host, writes clouds.yaml,
prints `ready URL`, and runs until a signal. Guests outlive it; the next start finds them again.
"""

import argparse
import fcntl
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import gethostname, socket

from kcloud_api import main
from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.controller import start_loops
from kcloud_api.db.engine import Database
from kcloud_api.db.migration import prepare
from kcloud_api.http.live import LiveServer, listen, local_url
from kcloud_api.manage import Passwords, bootstrap
from kcloud_api.workers import Workers
from kcloud_cli import credentials
from kcloud_cli.host_plans import HostPlan, plan, simulated
from kcloud_cli.starting import nothing_collected
from kcloud_common import log
from kcloud_common.config import Conf, load
from kcloud_common.errors import KcloudError, PermanentError
from kcloud_common.stopping import Stop
from kcloud_compute.conf import GROUPS as AGENT_GROUPS

CLOUDS = "clouds.yaml"

logger = logging.getLogger(__name__)


class AlreadyRunning(PermanentError):
    code = "already_running"


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; 0 after a clean end, 2 when it could not start."""
    stop = Stop()
    try:
        plans = _planned(options)
        with _locked(options.data_dir):
            return _up(options, plans, stop)
    except KcloudError as error:
        sys.stderr.write(f"kcloud up: {error.message}\n")
        return 2


def _planned(options: argparse.Namespace) -> tuple[HostPlan, ...]:
    """The hosts to run. PermanentError for what makes no sense, before anything has started."""
    if (options.hosts or 0) < 0 or options.workers < 1:
        raise PermanentError("--hosts cannot be negative, and --workers must be at least 1.")
    folder = options.data_dir.absolute()
    if options.simulate is not None:
        return simulated(options.simulate, count=options.hosts, folder=folder)
    count = 1 if options.hosts is None else options.hosts
    return plan(count, hypervisor=options.hypervisor, folder=folder, machine=gethostname())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the data directory, or raise AlreadyRunning. The kernel lets go however this process ends."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise AlreadyRunning(f"a cloud runs on {folder} already (process {holder}).") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _up(options: argparse.Namespace, plans: Sequence[HostPlan], stop: Stop) -> int:
    control, agents = settings_of(options)
    conf = load_control_plane(overrides=control)
    log.configure(conf.api.log_level, conf.api.log_format)
    main.check_listening(conf, main.SERVICES)
    load(AGENT_GROUPS, overrides=agents)  # so that a mistake is said before anything has started
    with ExitStack() as running:
        listener = running.enter_context(listen(conf.api.host, conf.api.port))
        url = local_url(listener)
        prepare(conf.database.url, migrate=True)
        database, bus = main.open_parts(conf)
        running.callback(database.close)
        running.callback(bus.close)
        passwords = _known_passwords(options.data_dir)
        bootstrap(database, url, passwords, password_rounds=conf.identity.password_rounds)
        with nothing_collected():
            server = _server(conf, listener, database, bus)
        running.callback(server.close)
        server.start()
        credentials.write(options.data_dir / CLOUDS, url, {"admin": passwords.admin, "demo": passwords.demo})
        running.enter_context(start_loops(database, bus, conf))
        # Loaded only now: requests are answered meanwhile.
        from kcloud_cli.local_hosts import LocalHosts

        hosts = LocalHosts(url, agents)
        running.callback(hosts.close)
        hosts.start(plans, passwords.admin)
        if conf.api.workers == 1:
            main.load_the_rest()  # while hosts send their first reports
        hosts.wait(stop)
        if not stop.is_set():
            print(f"ready {url}", flush=True)
            stop.wait()
    return 0


def settings_of(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """What the command line says, for the control plane and for the agents. Raises BadConfig."""
    folder = options.data_dir.absolute()
    control = [
        f"database.url={options.database or f'sqlite:///{folder}/kcloud.db'}",
        f"image.store_dir={folder}/images",
        f"api.port={options.port}",
        f"api.workers={options.workers}",
        *([f"bus.url={options.bus}"] if options.bus else []),
    ]
    agents: list[str] = []
    for setting in options.set:
        group = setting.partition(".")[0]
        (agents if group in AGENT_GROUPS else control).append(setting)
    return control, agents


def _known_passwords(folder: Path) -> Passwords:
    known = credentials.passwords(folder / CLOUDS)
    return Passwords(known["admin"], known["demo"], are_known=True) if known else Passwords()


def _server(conf: Conf, listener: socket, database: Database, bus: Bus) -> LiveServer | Workers:
    if conf.api.workers == 1:
        return LiveServer(main.build_app(database, conf, bus), listener, stopping=bus.close)
    if conf.bus.url.startswith("memory:"):
        logger.warning("bus_does_not_reach_workers", extra={"remedy": "--bus amqp://..., or --workers 1"})
    return Workers(listener, conf.api.workers, main.served_by_worker, (conf, tuple(main.SERVICES)))
