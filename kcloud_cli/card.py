"""`kcloud card ...`: the accelerators in hosts, what each can be cut into, whether it is cut so."""

import argparse

from kcloud_cli import naming
from kcloud_cli.device_text import card_described, card_table
from kcloud_cli.operator_api import open_cloud
from kcloud_cli.verbs import Verbs, print_json, with_json


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = Verbs(subparsers, "card", "list and show the cards of hosts, and what they can be cut into")
    listing = with_json(verbs.add("list", "the cards, and whether each is cut as its layout says", _list))
    listing.add_argument("--host", metavar="NAME", help="of this host only")
    listing.add_argument("--differing", action="store_true", help="only those that differ from their layout")
    showing = with_json(verbs.add("show", "one card, and what its kernel can cut it into", _show))
    showing.add_argument("card", metavar="CARD", help=naming.NAME_HELP)


def _list(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        cards = list(api.each("cards", host=options.host))
        if not cards and options.host:
            api.host(options.host)  # which says so when there is none
    if options.differing:
        cards = [card for card in cards if card["drift"]]
    if options.json:
        print_json(cards)
        return
    if options.differing and not cards:
        print("No card differs from its layout.")
        return
    print(card_table(cards))
    if hosts := sorted({card["host"] for card in cards if card["drift"]}):
        print(f"\n`kcloud layout status {hosts[0]}` says how cards differ from their layout, and why.")


def _show(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        found = naming.card(api, options.card)
    if options.json:
        print_json(found)
    else:
        print(card_described(found))
