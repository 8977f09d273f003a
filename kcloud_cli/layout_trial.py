"""`kcloud layout create|update --dry-run`: what the layout would do to each card. Nothing is changed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from kcloud_cli.layout_text import View, trial_described
from kcloud_cli.operator_api import OperatorApi
from kcloud_cli.verbs import print_json


def attempt(api: OperatorApi, asked: Mapping[str, object], *, as_json: bool) -> int:
    """Prints it; 1 when a card refuses, else 0."""
    pages = list(_pages(api, asked))
    hosts = [host for page in pages for host in page["hosts"]]
    outcomes = Counter[str]()
    for page in pages:
        outcomes.update(page["outcomes"])
    found: View = {
        "hosts": hosts, "outcomes": dict(outcomes), "not_enrolled": pages[0]["not_enrolled"],
    }  # fmt: skip
    if as_json:
        print_json(found)
    else:
        print(trial_described(found))
    return int(bool(outcomes["refused"]))


def _pages(api: OperatorApi, asked: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
    marker = ""
    while True:
        page = api.ask("POST", f"/layouts/validate?limit=200{marker}", asked)
        yield page
        if not page.get("hosts_links"):
            return
        marker = f"&marker={page['hosts'][-1]['id']}"
