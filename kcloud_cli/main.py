"""`kcloud`: one command, one module for each subcommand, imported when it is asked for."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("kcloud_cli.up", "run a whole cloud in the foreground"),
    "db": ("kcloud_cli.db", "upgrade the database, or say whether it is current"),
    "host": ("kcloud_cli.host", "list, show and enrol compute hosts"),
    "device": ("kcloud_cli.device", "list and show the devices that hosts offer"),
    "explain": ("kcloud_cli.explain", "say why no host can serve a request, and which come nearest"),
    "lab": ("kcloud_cli.lab.command", "an emulated host with an accelerator"),
    "doctor": ("kcloud_cli.doctor", "say what is wrong with this host, and what mends it"),
}
"""Module and summary. The module's `add_parser(subparsers)` adds its words and sets `run(options) -> int`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 is success, 1 a finding or failure, 2 a request that makes no sense."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="kcloud", description="VMs with AI accelerators in them.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # Only the chosen module is imported: `kcloud doctor` must run on a host that has nothing else installed.
    chosen = next((word for word in given if not word.startswith("-")), None)
    for name, (module, summary) in SUBCOMMANDS.items():
        if name == chosen:
            import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    options = parser.parse_args(given)
    return int(options.run(options) or 0)
