"""kcloud-compute: one agent in the foreground, until SIGTERM. Guests outlive it."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType

from hypervisor_drivers.driver import Driver
from kcloud_common import config
from kcloud_common import log as logs
from kcloud_common.errors import KcloudError, PermanentError
from kcloud_compute.agent import Agent
from kcloud_compute.conf import GROUPS, ComputeConf, from_groups
from vfio.sysfs import Sysfs

log = logging.getLogger(__name__)

DO_NOT_RESTART = 78
"""Exit status (EX_CONFIG) for what another start would not change; etc/ has the unit that knows it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Ends with status 0 when told to stop, 78 when a person must act, 1 for anything else."""
    args = _parser().parse_args(arguments)
    logs.configure(args.log_level, args.log_format)
    try:
        conf = from_groups(config.load(GROUPS, files=args.config_file, overrides=args.set))
        status = serve(conf)
    except (PermanentError, ValueError) as error:
        print(f"kcloud-compute: {error}", file=sys.stderr)  # noqa: T201 - said to whoever started it
        status = DO_NOT_RESTART
    except OSError as error:
        # A disk that is full or can only be read: the next start may find it mended.
        print(f"kcloud-compute: {error}", file=sys.stderr)  # noqa: T201
        status = 1
    sys.exit(status)


def serve(conf: ComputeConf) -> int:
    """Run an agent until it is told to stop, or ends by itself."""
    driver = open_driver(conf)
    agent = Agent(conf, driver, Sysfs(Path("/")))

    def stop(number: int, frame: FrameType | None) -> None:
        agent.stop_soon()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    agent.start()
    try:
        if agent.wait_ready():
            print(f"ready {agent.host} at {conf.agent.api_url}", flush=True)  # noqa: T201
        agent.ended.wait()
    finally:
        agent.stop()
        driver.close()
    if agent.error is None:
        return 0
    if isinstance(agent.error, KcloudError):
        print(f"kcloud-compute: {agent.error}", file=sys.stderr)  # noqa: T201
    return DO_NOT_RESTART if isinstance(agent.error, PermanentError) else 1


def open_driver(conf: ComputeConf) -> Driver:
    """The driver registered under the configured name."""
    found = entry_points(group="kcloud.hypervisor_drivers", name=conf.agent.hypervisor)
    if not found:
        raise PermanentError(f"no hypervisor driver {conf.agent.hypervisor!r} is installed")
    open_it = next(iter(found)).load()
    options = {"uri": conf.libvirt.uri} if conf.libvirt.uri else {}
    driver: Driver = open_it(virt_type=conf.libvirt.virt_type, **options)
    return driver


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kcloud-compute", description="The agent of one compute host.")
    parser.add_argument("--config-file", action="append", default=[], metavar="FILE", help="may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-format", default="text", choices=("text", "json"))
    return parser


if __name__ == "__main__":
    main()
