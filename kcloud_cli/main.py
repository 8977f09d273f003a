"""`kcloud`: one command, one module for each subcommand, imported when it is asked for."""

import argparse
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

SUBCOMMANDS: Mapping[str, tuple[str, str]] = {
    "up": ("kcloud_cli.up", "run a whole cloud in the foreground"),
    "db": ("kcloud_cli.db", "upgrade the database, or say whether it is current"),
    "host": ("kcloud_cli.host", "list, show, enrol and delete compute hosts"),
    "card": ("kcloud_cli.card", "list and show the cards of hosts, and what they can be cut into"),
    "layout": ("kcloud_cli.layout", "say how cards are cut into slices"),
    "device": ("kcloud_cli.device", "list, operate and verify the accelerators of hosts"),
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
    try:
        status = int(options.run(options) or 0)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        # What is left to write would be tried, and complained of, once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE  # as of a program that the signal ends
    return status


def _nobody_reads() -> bool:
    """Whether the pipe that was broken is the output's (`| head`), and no other."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in output.poll(0))
