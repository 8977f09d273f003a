"""`kcloud up`: the words of the command; what they start is kcloud_cli.cloud's."""

import argparse
from pathlib import Path

from kcloud_cli.starting import nothing_collected

DEFAULT_PORT = 8774


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("up", help="run a whole cloud in the foreground")
    parser.add_argument("--data-dir", type=Path, required=True, help="everything is kept here")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the API; 0 takes a free one")
    parser.add_argument("--database", metavar="URL", help="default: SQLite in the data directory")
    parser.add_argument("--bus", metavar="URL", help="default: memory://")
    parser.add_argument("--hypervisor", choices=("libvirt", "fake"), default="libvirt")
    parser.add_argument("--hosts", type=int, metavar="K", help="compute hosts; 0 for none (1)")
    parser.add_argument("--workers", type=int, default=1, metavar="W", help="processes that serve the API")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE")
    parser.add_argument(
        "--simulate", metavar="TREE,...",
        help="simulated machines as hosts, such as hgx-h100,rngd-x8; with --hosts they are taken in turn",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Only now: `kcloud --help` and `kcloud doctor` must not import a control plane.
    with nothing_collected():
        from kcloud_cli.cloud import run

    return run(options)
