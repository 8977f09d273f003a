"""`kcloud lab ...`: guest images for trials, and an emulated host with accelerators."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kcloud_cli.lab import host
from kcloud_cli.lab.guest import RECIPES, copy_guest
from kcloud_cli.lab.process import LabError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lab = subparsers.add_parser("lab", help="an emulated host with accelerators, and guest images for trials")
    verbs = lab.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what: str, action: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, help=what, description=what)
        parser.set_defaults(run=lambda options: _reported(action, options))
        return parser

    verb("up", "start the lab host and wait until it is ready; builds it the first time", _up)
    verb("build", "build what `up` needs and start nothing", _build)
    verb("reboot", "reset the lab host; its disk stays", _reboot)
    verb("down", "end the lab host; its disk is forgotten", _down)
    ssh = verb("ssh", "a shell in the lab host, or one command there", _ssh)
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    guest = verb("guest", "copy a guest image to a file; builds it the first time", _guest)
    guest.add_argument("kind", choices=sorted(RECIPES))
    guest.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


def _reported(action: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        return action(options)
    except LabError as error:
        print(f"kcloud lab: {error}", file=sys.stderr)
        return 1


def _up(_: argparse.Namespace) -> int:
    machine = host.up()
    print(f"ready: kcloud lab ssh   (or: {' '.join(machine.ssh_command())})")
    return 0


def _build(_: argparse.Namespace) -> int:
    print(host.image())
    return 0


def _reboot(_: argparse.Namespace) -> int:
    host.reboot(host.running_or_refuse())
    return 0


def _down(_: argparse.Namespace) -> int:
    print("the lab host is off" if host.down() else "no lab host was running")
    return 0


def _ssh(options: argparse.Namespace) -> int:
    words = host.running_or_refuse().ssh_command(*options.words)
    return subprocess.run(words, check=False).returncode


def _guest(options: argparse.Namespace) -> int:
    print(copy_guest(options.kind, options.output))
    return 0
