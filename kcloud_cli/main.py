"""`kcloud`: one command, one module for each subcommand, imported when it is asked for."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

SUBCOMMANDS = {
    "up": "kcloud_cli.up",
    "db": "kcloud_cli.db",
    "host": "kcloud_cli.host",
    "device": "kcloud_cli.device",
    "lab": "kcloud_cli.lab.command",
    "doctor": "kcloud_cli.doctor",
}
"""Each module's `add_parser(subparsers)` adds its words, and sets `run(options) -> int`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 is success, 1 a finding or failure, 2 a request that makes no sense."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="kcloud", description="VMs with AI accelerators in them.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # Only the chosen module is imported: `kcloud doctor` must run on a host that has nothing else installed.
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name in SUBCOMMANDS if chosen not in SUBCOMMANDS else (chosen,):
        import_module(SUBCOMMANDS[name]).add_parser(subparsers)
    options = parser.parse_args(given)
    return int(options.run(options) or 0)
