"""Layouts as the `kcloud` command shows them to a person. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kcloud_cli.device_text import memory, sharing
from kcloud_cli.tables import columns

View = Mapping[str, Any]


def layout_table(layouts: Iterable[View]) -> str:
    rows: list[tuple[str, ...]] = [("NAME", "VERSION", "FOR", "CARDS", "SINCE", "ID")]
    rows += [
        (
            each["name"], str(each["version"]), target(each["target"]),
            "; ".join(f"{card['match']} {cuts(card)}" for card in each["cards"]) or "-",
            str(each["created_at"])[:19], str(each["id"]),
        )
        for each in layouts
    ]  # fmt: skip
    return columns(rows)


def layout_described(layout: View) -> str:
    """With a line for each cut, in the order in which rules are tried."""
    lines = [
        f"{layout['name']} ({layout['id']})",
        f"  version  {layout['version']}, of {layout['created_at']}",
        f"  for      {target(layout['target'])}",
        "",
    ]
    rows: list[tuple[str, ...]] = [("CARDS", "SLICES", "CLASS", "MEMORY EACH", "TIME SLICING", "TRAITS")]
    rows += [row for card in layout["cards"] for row in _rows(card)]
    return "\n".join([*lines, columns(rows) if len(rows) > 1 else "  no cards: all are offered whole"])


def _rows(card: View) -> Iterator[tuple[str, ...]]:
    if not card["cuts"]:
        yield card["match"], "whole", "-", "-", "-", "-"
    for number, cut in enumerate(card["cuts"]):
        own = cut["sharing"] or card["sharing"]
        yield (
            card["match"] if number == 0 else "",
            _cut(cut),
            cut["resource_class"] or "default",
            memory(cut["memory_mib"]),
            sharing(own) or "-",
            " ".join(cut["traits"]) or "-",
        )


def standing(host: str, found: View) -> str:
    """How a host stands to its layout."""
    wanted = found["wanted"]
    named = f"layout {wanted['name']}, version {wanted['version']}" if wanted else "no layout: whole cards"
    if found["in_step"]:
        return f"{host} stands as wanted ({named})."
    told = wanted["told_as"] if wanted else ""
    heard = "" if found["reported_version"] == told else "; the host has not answered to this version yet"
    lines = [f"{host} does not stand as wanted ({named}){heard}."]
    lines += [f"  {card['name']}: {card['drift']}" for card in found["cards"] if card["drift"]]
    return "\n".join(lines)


def target(found: View) -> str:
    """`all hosts`, `host a`, `hosts a, b and 3 more`."""
    hosts = found["hosts"]
    if found["kind"] == "all":
        return "all hosts"
    more = f" and {len(hosts) - 3} more" if len(hosts) > 3 else ""
    return f"{'host' if found['kind'] == 'host' else 'group'} {', '.join(hosts[:3])}{more}"


def cuts(card: View) -> str:
    """`2 mdev nvidia-231, 1 mdev nvidia-232`."""
    return ", ".join(_cut(cut) for cut in card["cuts"]) or "whole"


def _cut(cut: View) -> str:
    return f"{cut['count']} {cut['kind']} {cut['type']}".rstrip()
