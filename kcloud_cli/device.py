"""`kcloud device ...`: the accelerators that hosts offer, their state, and who holds them."""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from kcloud_cli.operator_api import open_cloud
from kcloud_cli.tables import columns
from kcloud_common.errors import KcloudError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    device = subparsers.add_parser("device", help="list and show the accelerators of hosts")
    verbs = device.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what: str, action: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, help=what, description=what)
        parser.add_argument(
            "--os-cloud", metavar="CLOUD", help="name in clouds.yaml; else $OS_CLOUD, kcloud-admin"
        )
        parser.set_defaults(run=lambda options: _reported(action, options))
        return parser

    listing = verb("list", "the devices, their state and holder", _list)
    listing.add_argument("--host", metavar="NAME", help="of this host only")
    listing.add_argument("--state", choices=("free", "claimed", "quarantined"), help="in this state only")
    verb("show", "one device", _show).add_argument("id", metavar="ID")


def _reported(action: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    try:
        action(options)
    except KcloudError as error:
        print(f"kcloud device: {error.message}", file=sys.stderr)
        return 1
    return 0


def _list(options: argparse.Namespace) -> None:
    rows: list[tuple[str, ...]] = [
        ("ID", "HOST", "DEVICE", "VENDOR:PRODUCT", "CLASS", "NUMA", "PCIE PATH", "STATE", "SERVER")
    ]
    rows += [_row(device) for device in open_cloud(options.os_cloud).devices(options.host, options.state)]
    print(columns(rows))


def _row(device: Mapping[str, Any]) -> tuple[str, ...]:
    ids = f"{device['vendor_id']}:{device['product_id']}"
    held = device["claim"]["server_id"] if device["claim"] else "-"
    node = "-" if device["numa_node"] is None else device["numa_node"]
    path = "/".join(device["pci_path"]) or "-"
    facts = (device["id"], device["host"], device["name"], ids, device["resource_class"], node, path)
    return (*map(str, facts), str(device["state"]), str(held))


def _show(options: argparse.Namespace) -> None:
    device = open_cloud(options.os_cloud).device(options.id)
    print(columns([(name, _shown(value)) for name, value in device.items()]))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, dict):
        return " ".join(f"{key}={word}" for key, word in value.items())
    return "-" if value in (None, "") else str(value)
