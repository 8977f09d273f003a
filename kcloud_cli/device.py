"""`kcloud device ...`: the slices of accelerators that hosts offer: their state, holders and certificates."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kcloud_cli import naming
from kcloud_cli.device_text import described, device_table
from kcloud_cli.operator_api import OperatorApi, open_cloud
from kcloud_cli.verbs import Verbs, print_json, with_json
from kcloud_common.errors import BadRequest

STATES = ("free", "claimed", "attached", "sanitising", "quarantined", "maintenance", "missing")
KINDS = ("whole", "vf", "mdev", "vendor-vf", "xe-vf")
VERIFIED = """Exit status: 0 all is unaltered; 1 something was altered or is not whole, or the cloud refused;
2 there is nothing that could be verified. docs/certificates.md says what a certificate is worth."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = Verbs(subparsers, "device", "list, operate and verify the accelerators of hosts")
    listing = with_json(verbs.add("list", "the devices, their state and holder", _list))
    listing.add_argument("--host", metavar="NAME", help="of this host only")
    listing.add_argument("--card", metavar="NAME", help="slices of the cards of this name only")
    listing.add_argument("--state", choices=STATES, help="in this state only")
    listing.add_argument("--kind", choices=KINDS, help="of this kind only")
    listing.add_argument("--long", action="store_true", help="with ids of the model, link and PCIe path")
    _named(with_json(verbs.add("show", "one device, and what ails it", _show)))
    maintain = _named(verbs.add("maintain", "take a device out of use as soon as it is free", _maintain))
    maintain.add_argument("--end", action="store_true", help="put it back into use")
    quarantine = _named(
        verbs.add("quarantine", "hand a device out to nobody until it is released", _quarantine)
    )
    quarantine.add_argument("--reason", required=True, help="for who looks at it later")
    _named(verbs.add("release", "let a device out of quarantine if it passes a burn-in", _release))
    chains = with_json(verbs.add("certificates", "what was done to a device after each lease", _certificates))
    verify = verbs.add(
        "verify", "check that no certificate was altered, left out or signed by a stranger", _verify,
        epilog=VERIFIED,
    )  # fmt: skip
    for parser in (chains, verify):
        parser.add_argument("device", nargs="?", metavar="DEVICE", help=naming.NAME_HELP)
        parser.add_argument("--server", metavar="ID", help="those of the leases of one server instead")
    verify.add_argument(
        "--file", type=Path, help="certificates as `certificates --json` has written them; no cloud is asked"
    )
    verify.add_argument("--keys", type=Path, metavar="FILE", help="the keys to trust, instead of the cloud's")
    verify.add_argument(
        "--part", action="store_true", help="others may be missing, as for tenants, who see their own"
    )


def _named(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("device", metavar="DEVICE", help=naming.NAME_HELP)
    return parser


def _list(options: argparse.Namespace) -> None:
    narrowed = {name: getattr(options, name) for name in ("host", "card", "state", "kind")}
    with open_cloud(options.os_cloud) as api:
        found = list(api.each("devices", **narrowed))
        if not found and options.host:
            api.host(options.host)  # which says so when there is none
    if options.json:
        print_json(found)
    else:
        print(device_table(found, long=options.long))


def _show(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        found = naming.device(api, options.device)
    if options.json:
        print_json(found)
    else:
        print(described(found))


def _maintain(options: argparse.Namespace) -> None:
    found = _act(options, {"maintenance": not options.end})
    if options.end:
        print(f"{_which(found)} goes back into use.")
    elif found["claim"]:
        server = found["claim"]["server_id"]
        print(f"{_which(found)} goes out of use when server {server} is gone and it was cleaned.")
    else:
        print(f"{_which(found)} goes out of use; put it back with --end.")


def _quarantine(options: argparse.Namespace) -> None:
    found = _act(options, {"quarantine": {"reason": options.reason}})
    held = f"; server {found['claim']['server_id']} keeps it meanwhile" if found["claim"] else ""
    print(f"{_which(found)} is handed out to nobody until `kcloud device release {found['id']}`{held}.")


def _release(options: argparse.Namespace) -> None:
    found = _act(options, {"release": {}})
    print(
        f"{_which(found)} is reset and verified several times now. If it passes it is free, else it stays in"
        f" quarantine: `kcloud device show {found['id']}` says which, and why."
    )


def _act(options: argparse.Namespace, action: Mapping[str, object]) -> Mapping[str, Any]:
    """Ask for the action; the device as it is then."""
    with open_cloud(options.os_cloud) as api:
        found = naming.device(api, options.device)
        api.ask("POST", f"/devices/{found['id']}/action", action)
        return api.device(found["id"])


def _certificates(options: argparse.Namespace) -> None:
    from kcloud_cli.device_verify import shown

    found = _fetched(options)
    if options.json:
        print_json(found)
    elif found["certificates"]:
        print(shown(json.dumps(found)))
    else:
        print("There are no certificates: none of its leases has ended yet.")


def _verify(options: argparse.Namespace) -> int:
    from kcloud_cli.device_verify import verify

    if options.file is None:
        found = json.dumps(_fetched(options))
    elif options.device or options.server:
        raise BadRequest("say either which device, or --file")
    else:
        found = _text(options.file)
    answer = verify(
        found, _text(options.keys) if options.keys else found, whole=not (options.part or options.server)
    )
    print(answer.text, file=sys.stderr if answer.status == 2 else sys.stdout)
    if answer.status == 0 and options.file and not options.keys:
        print("The keys are those of the same file: whoever can write it can also replace them (--keys).")
    return answer.status


def _fetched(options: argparse.Namespace) -> Mapping[str, Any]:
    """All pages as one: certificates, what is known about them, and the keys of their hosts."""
    if bool(options.device) == bool(options.server):
        raise BadRequest("say which: a DEVICE, or --server ID")
    with open_cloud(options.os_cloud) as api:
        if options.server:
            pages = list(api.pages("certificates", server_id=options.server))
        else:
            path = f"/devices/{_device_id(api, options.device)}/certificates"
            pages = list(api.pages("certificates", path))
    keys = {(key["host_id"], key["key"]): key for page in pages for key in page["keys"]}
    return {
        "certificates": [each for page in pages for each in page["certificates"]],
        "about": [each for page in pages for each in page["about"]],
        "keys": list(keys.values()),
        "anchors": [each for page in pages for each in page.get("anchors", ())],
    }


def _device_id(api: OperatorApi, text: str) -> str:
    """A tenant may read the certificates of a device that it may not see: so an id is not looked up."""
    return text if naming.is_id(text) else str(naming.device(api, text)["id"])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {error}") from error


def _which(device: Mapping[str, Any]) -> str:
    return f"{device['host']}/{device['name']}"
