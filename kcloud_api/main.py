"""The API process: mounts the services behind one port, and `kcloud-api`, which serves them."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

from fastapi import FastAPI
from starlette.types import ASGIApp

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.db.migration import prepare
from kcloud_api.db.modules import modules_named
from kcloud_api.http import noauth
from kcloud_api.http.context import Authenticate
from kcloud_api.http.edge import RequestIdentity
from kcloud_api.http.live import LiveServer, listen, local_url
from kcloud_api.http.metrics import Measured
from kcloud_api.http.policy import Enforcer, PolicyRule
from kcloud_api.http.prefixes import AT_ROOT, Prefixes
from kcloud_api.identity.authentication import keystone
from kcloud_api.placement.snapshot.keeper import keeper_of
from kcloud_api.scheduler.aliases import read_aliases
from kcloud_api.workers import Served, Workers
from kcloud_common import log
from kcloud_common.config import BadConfig, Conf
from kcloud_common.errors import KcloudError
from kcloud_common.stopping import Stop

SERVICES = {
    "accelerator": "kcloud_api.accelerator.cyborg.routes",
    "compute": "kcloud_api.compute.routes",
    "identity": "kcloud_api.identity.routes",
    "image": "kcloud_api.image.routes",
    "kcloud": "kcloud_api.hosts.routes",
    "placement": "kcloud_api.placement.routes",
}
"""Each module's `build()` makes one service, mounted under `/<name>`."""

ADDED = {
    "accelerator": (
        ("/v2", "kcloud_api.compute.accelerator_routes"),
        ("/v2", "kcloud_api.hosts.accelerator_routes"),
    ),
    "compute": (("/v2.1", "kcloud_api.hosts.hypervisors"),),
}
"""Routers that belong to a service by URL, and read what is layered above it."""


def build_app(database: Database, conf: Conf, bus: Bus, services: Sequence[str] = ()) -> ASGIApp:
    """The whole API, or the named services; one alone is served at `/`. Raises BadConfig, BadAlias."""
    names = checked_services(services)
    enforcer = Enforcer(_all_rules(), conf.api.policy_file)
    keeper = keeper_of(database, conf.placement)
    aliases = read_aliases(conf.pci.alias)
    apps: dict[str, ASGIApp] = {}
    for name in names:
        app: FastAPI = import_module(SERVICES[name]).build()
        for prefix, module in ADDED.get(name, ()):
            app.include_router(import_module(module).router, prefix=prefix)
        app.state.database = database
        app.state.conf = conf
        app.state.bus = bus
        app.state.enforcer = enforcer
        app.state.keeper = keeper
        app.state.aliases = aliases
        app.state.authenticate = _authenticate(conf, name)
        apps[AT_ROOT if len(names) == 1 else f"/{name}"] = app
    return RequestIdentity(Measured(Prefixes(apps, database)))


def checked_services(services: Sequence[str]) -> tuple[str, ...]:
    """The named services, all of them for none. Raises BadConfig."""
    unknown = sorted(set(services) - SERVICES.keys())
    if unknown:
        raise BadConfig(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    return tuple(dict.fromkeys(services)) or tuple(SERVICES)


LATER = ("oslo_policy.policy", "oslo_utils.imageutils.format_inspector", "cryptography.x509")
"""What only some requests need: half a second of imports."""


def load_the_rest() -> None:
    """Import it while nobody waits: after the first answer, or before a worker among others serves."""
    for module in LATER:
        import_module(module)


def open_parts(conf: Conf) -> tuple[Database, Bus]:
    """The database and the bus that its committed transactions wake."""
    bus = Bus(conf.bus.url)
    return Database(conf.database.url, wake=bus.wake), bus


def served_by_worker(conf: Conf, services: Sequence[str]) -> Served:
    """What one of several API processes serves."""
    log.configure(conf.api.log_level, conf.api.log_format)
    database, bus = open_parts(conf)
    load_the_rest()
    return Served(build_app(database, conf, bus, services), stopping=bus.close)


def check_listening(conf: Conf, services: Iterable[str]) -> None:
    """Raise BadRequest where who listens would not be safe."""
    if "placement" in services and conf.placement.auth_strategy == "noauth2":
        noauth.require_loopback(conf.api.host)


def _all_rules() -> list[PolicyRule]:
    return [rule for module in modules_named("policies") for rule in module.RULES]


def _authenticate(conf: Conf, service: str) -> Authenticate:
    if service == "placement" and conf.placement.auth_strategy == "noauth2":
        return noauth.authenticate
    return keystone


def main(arguments: Sequence[str] | None = None) -> int:
    """`kcloud-api`: serve until a signal says stop."""
    options = _parser().parse_args(arguments)
    stop = Stop()
    try:
        return _serve(options, stop)
    except KcloudError as error:
        sys.stderr.write(f"kcloud-api: {error.message}\n")
        return 2


def _serve(options: argparse.Namespace, stop: Stop) -> int:
    conf = load_control_plane(options.config_file, _overrides(options))
    log.configure(conf.api.log_level, conf.api.log_format)
    services = checked_services([name for name in options.services.split(",") if name])
    check_listening(conf, services)
    with listen(conf.api.host, conf.api.port) as listener:
        prepare(conf.database.url, migrate=options.migrate)
        url = local_url(listener)
        if conf.api.workers > 1:
            workers = Workers(listener, conf.api.workers, served_by_worker, (conf, services))
            return _until(stop, workers, url)
        database, bus = open_parts(conf)
        try:
            app = build_app(database, conf, bus, services)
            return _until(stop, LiveServer(app, listener, stopping=bus.close), url)
        finally:
            bus.close()
            database.close()


def _until(stop: Stop, server: LiveServer | Workers, url: str) -> int:
    try:
        server.start()
        sys.stdout.write(f"ready {url}\n")
        sys.stdout.flush()
        if isinstance(server, LiveServer):
            load_the_rest()
        stop.wait()
    finally:
        server.close()
    return 0


def _overrides(options: argparse.Namespace) -> list[str]:
    short = {
        "api.host": options.host,
        "api.port": options.port,
        "api.workers": options.workers,
        "database.url": options.database,
        "bus.url": options.bus,
    }
    return [*options.set, *(f"{name}={value}" for name, value in short.items() if value is not None)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kcloud-api", description="Serves kcloud's APIs.")
    parser.add_argument("--config-file", action="append", default=[], help="may be repeated; later ones win")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE")
    parser.add_argument("--services", default="", help="comma-separated; one alone is served at /")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="0 takes a free one")
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--bus", metavar="URL")
    parser.add_argument("--workers", type=int, help="number of processes")
    parser.add_argument("--migrate", action="store_true", help="upgrade the database's schema first")
    return parser


if __name__ == "__main__":
    sys.exit(main())
