"""`kcloud lab ...`: guest images for trials, and an emulated host with accelerators."""

import argparse
from pathlib import Path

from kcloud_cli.lab.guest import IMAGES, copy_guest


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lab = subparsers.add_parser("lab", help=__doc__)
    verbs = lab.add_subparsers(required=True, metavar="VERB")
    guest = verbs.add_parser("guest", help="build a guest image, or copy the built one")
    guest.add_argument("kind", choices=sorted(IMAGES))
    guest.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    guest.set_defaults(run=_guest)


def _guest(arguments: argparse.Namespace) -> int:
    print(copy_guest(arguments.kind, arguments.output))
    return 0
