"""`kcloud layout ...`: how the cards of hosts are to be cut, and how hosts stand to it."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kcloud_cli import naming
from kcloud_cli.layout_file import read
from kcloud_cli.layout_text import hosts_described, layout_described, layout_table, standing
from kcloud_cli.layout_trial import attempt
from kcloud_cli.operator_api import OperatorApi, open_cloud
from kcloud_cli.verbs import Verbs, print_json, with_json
from kcloud_common.errors import BadRequest

FILE = "TOML or JSON, as docs/layouts.md says; - for standard input"
DRY_RUN = "change nothing; say of each card what would become of it (exit status 1: one at least refuses)"
MOST_HOSTS = 200
"""Of which `show` says how they stand."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = Verbs(subparsers, "layout", "say how cards are cut into slices")
    with_json(verbs.add("list", "the layouts, and which hosts they are for", _list))
    showing = with_json(verbs.add("show", "one layout, in its newest version or an older one", _show))
    showing.add_argument("layout", metavar="LAYOUT", help="its name or id")
    showing.add_argument("--version", type=int, metavar="N", help="as it was then")
    making = with_json(verbs.add("create", "make a layout; its hosts cut their empty cards at once", _create))
    making.add_argument("file", type=Path, metavar="FILE", help=FILE)
    making.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    changing = with_json(verbs.add("update", "change a layout, which makes a new version of it", _update))
    changing.add_argument("layout", metavar="LAYOUT", help="its name or id")
    changing.add_argument(
        "file", type=Path, metavar="FILE",
        help=f"{FILE}. What it leaves out stays; a version in it is what the change rests on",
    )  # fmt: skip
    changing.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    removing = verbs.add("delete", "delete a layout; cards that no other fits become whole again", _delete)
    removing.add_argument("layout", metavar="LAYOUT", help="its name or id")
    status = with_json(
        verbs.add(
            "status", "whether the cards of a host are cut as they shall be", _status,
            epilog="Exit status: 0 they are; 1 some are not yet, or it could not be asked; 2 no sense.",
        )
    )  # fmt: skip
    status.add_argument("host", metavar="HOST")


def _list(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        found = list(api.each("layouts"))
    if options.json:
        print_json(found)
    elif found:
        print(layout_table(found))
    else:
        print("There are no layouts: every card is offered whole. `kcloud layout create FILE` makes one.")


def _show(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        found = naming.layout(api, options.layout)
        newest = options.version in (None, found["version"])
        if not newest:
            found = _older(api, found, options.version)
        elif not options.json:
            page = api.ask("GET", f"/layouts/{found['id']}/hosts?limit={MOST_HOSTS}")
    _print(options, found)
    if newest and not options.json:
        print(f"\n{hosts_described(page)}")


def _older(api: OperatorApi, newest: Mapping[str, Any], version: int) -> Mapping[str, Any]:
    if not 0 < version < newest["version"]:
        raise BadRequest(f"{newest['name']} has versions 1 to {newest['version']}")
    found: Mapping[str, Any] = api.ask(
        "GET", f"/layouts/{newest['id']}/versions?before={version + 1}&limit=1"
    )["versions"][0]
    return found


def _create(options: argparse.Namespace) -> int:
    body = read(options.file)
    if missing := [name for name in ("name", "target", "cards") if name not in body]:
        raise BadRequest(f"{options.file} lacks {', '.join(missing)} (docs/layouts.md has examples)")
    body.pop("version", None)
    with open_cloud(options.os_cloud) as api:
        if options.dry_run:
            return attempt(api, body, as_json=options.json)
        _print(options, api.ask("POST", "/layouts", body)["layout"])
    return 0


def _update(options: argparse.Namespace) -> int:
    body = read(options.file)
    with open_cloud(options.os_cloud) as api:
        found = naming.layout(api, options.layout)
        if options.dry_run:
            return attempt(api, {**body, "layout_id": found["id"]}, as_json=options.json)
        _print(options, api.ask("PATCH", f"/layouts/{found['id']}", body)["layout"])
    return 0


def _delete(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        found = naming.layout(api, options.layout)
        api.ask("DELETE", f"/layouts/{found['id']}")
    print(f"deleted {found['name']}; its hosts cut their cards back as these become empty")


def _status(options: argparse.Namespace) -> int:
    with open_cloud(options.os_cloud) as api:
        host = api.host(options.host)
        found = api.ask("GET", f"/hosts/{host.id}/layout")
    if options.json:
        print_json(found)
    else:
        print(standing(host.name, found))
    return 0 if found["in_step"] else 1


def _print(options: argparse.Namespace, found: Mapping[str, Any]) -> None:
    if options.json:
        print_json(found)
    else:
        print(layout_described(found))
