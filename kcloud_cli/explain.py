"""`kcloud explain`: why no host can serve a request, or a flavor, and which host comes nearest."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from kcloud_cli.operator_api import open_cloud
from kcloud_cli.tables import columns
from kcloud_common.errors import KcloudError

EXAMPLE = "resources=VCPU:1,PGPU:2&required=CUSTOM_GPU_H100"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    what = "say why no host can serve a request, and which come nearest"
    parser = subparsers.add_parser("explain", help=what, description=what)
    parser.add_argument(
        "query", nargs="?", default="", metavar="QUERY",
        help=f"as for GET /placement/allocation_candidates, quoted: '{EXAMPLE}'",
    )  # fmt: skip
    parser.add_argument(
        "--flavor", metavar="FLAVOR", help="what a server of this flavor, by name or id, would ask for"
    )
    parser.add_argument("--limit", type=int, default=10, metavar="N", help="hosts described, at most (10)")
    parser.add_argument(
        "--all-hosts", action="store_true", help="as if the hosts that are down or disabled were not"
    )
    parser.add_argument(
        "--os-cloud", metavar="CLOUD", help="name in clouds.yaml; else $OS_CLOUD, kcloud-admin"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """0: some host can serve it. 1: none can, as far as was looked, or the question failed. 2: it makes no
    sense."""
    if bool(options.query) == bool(options.flavor):
        print("kcloud explain: give a QUERY, or --flavor FLAVOR", file=sys.stderr)
        return 2
    own = {"limit": str(options.limit)}
    own |= {"flavor": options.flavor} if options.flavor else {}
    own |= {"all_hosts": "true"} if options.all_hosts else {}
    try:
        found = open_cloud(options.os_cloud).explanation(options.query, own)
    except KcloudError as error:
        print(f"kcloud explain: {error.message}", file=sys.stderr)
        return 1
    print(text(found))
    return 0 if found["remaining"] > found["untried"] else 1


def text(found: Mapping[str, Any]) -> str:
    """The ledger without the constraints that removed nobody; then who came nearest."""
    paragraphs = [f"{_hosts(found['hosts'])}, of which {_served(found['remaining'], found['untried'])}."]
    rows = [
        (str(one["removed"]), str(one["remaining"]), one["code"], one["message"])
        for one in found["constraints"]
        if one["removed"]
    ]
    if rows:
        paragraphs.append(columns([("REMOVED", "LEFT", "REASON", "THESE HOSTS"), *rows]))
    if found["nearest_misses"]:
        misses = [(_host(one), one["code"], _words(one)) for one in found["nearest_misses"]]
        paragraphs.append(columns([("NEAREST", "REASON", "THIS HOST"), *misses]))
    if found["help"]:
        paragraphs.append(f"What would help: {found['help']}.")
    return "\n\n".join(paragraphs)


def _served(remaining: int, untried: int) -> str:
    known = f"{remaining - untried} can serve this"
    if not untried:
        return known
    why = "they have the amounts, and were" if untried > 1 else "it has the amounts, and was"
    return f"{known}, and {untried} may: {why} looked at no further"


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _host(missed: Mapping[str, Any]) -> str:
    """Who may not see hosts is told only what they lack."""
    return str(missed["host"]["name"]) if "host" in missed else "-"


def _words(missed: Mapping[str, Any]) -> str:
    also = "".join(f"; also {one['message']}" for one in missed["also"])
    return f"{missed['message']}{also}"
