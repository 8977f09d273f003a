"""The controller: runs the control plane's loops, in `kcloud up` or as `kcloud-controller`."""

import argparse
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.db.migration import prepare
from kcloud_api.loops import liveness, place, prune
from kcloud_common import log
from kcloud_common.config import Conf
from kcloud_common.errors import KcloudError
from kcloud_common.stopping import Stop


class Running(Protocol):
    """A loop on its own thread."""

    def close(self) -> None: ...


class Loops:
    """All loops of one controller. `close` ends them; what they had not done is found by their next turn."""

    def __init__(self, running: Sequence[Running]) -> None:
        self._running = tuple(running)

    def close(self) -> None:
        for loop in reversed(self._running):
            loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def start_loops(database: Database, bus: Bus, conf: Conf) -> Loops:
    """Start every loop. Several controllers may run at once: each turn takes its work in a transaction."""
    return Loops([module.start(database, bus, conf) for module in (place, liveness, prune)])


def main(arguments: Sequence[str] | None = None) -> int:
    """`kcloud-controller`: run the loops until a signal says stop."""
    options = _parser().parse_args(arguments)
    stop = Stop()
    try:
        return _run(options, stop)
    except KcloudError as error:
        sys.stderr.write(f"kcloud-controller: {error.message}\n")
        return 2


def _run(options: argparse.Namespace, stop: Stop) -> int:
    short = {"database.url": options.database, "bus.url": options.bus}
    overrides = [*options.set, *(f"{name}={value}" for name, value in short.items() if value is not None)]
    conf = load_control_plane(options.config_file, overrides)
    log.configure(conf.api.log_level, conf.api.log_format)
    prepare(conf.database.url, migrate=options.migrate)
    bus = Bus(conf.bus.url)
    database = Database(conf.database.url, wake=bus.wake)
    try:
        with start_loops(database, bus, conf):
            sys.stdout.write("ready kcloud-controller\n")
            sys.stdout.flush()
            stop.wait()
    finally:
        bus.close()
        database.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kcloud-controller", description="Runs the control plane's loops.")
    parser.add_argument("--config-file", action="append", default=[], help="may be repeated; later ones win")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE")
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--bus", metavar="URL")
    parser.add_argument("--migrate", action="store_true", help="upgrade the database's schema first")
    return parser


if __name__ == "__main__":
    sys.exit(main())
