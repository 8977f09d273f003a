"""Layouts as the `kcloud` command shows them to a person. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kcloud_cli.device_text import differing, memory, sharing
from kcloud_cli.tables import columns, shortened

View = Mapping[str, Any]
_MOST_RULES = 3
"""Of a layout in a list."""
_MOST_LINES = 100


def layout_table(layouts: Iterable[View]) -> str:
    rows: list[tuple[str, ...]] = [("NAME", "VERSION", "FOR", "CARDS", "SINCE", "ID")]
    rows += [
        (
            each["name"], str(each["version"]), target(each["target"]),
            _rules(each["cards"]), str(each["created_at"])[:19], str(each["id"]),
        )
        for each in layouts
    ]  # fmt: skip
    return columns(rows)


def layout_described(layout: View) -> str:
    """With a line for each cut, in the order in which rules are tried."""
    lines = [
        f"{layout['name']} ({layout['id']})",
        f"  version  {layout['version']}, of {str(layout['created_at'])[:19]}",
        f"  for      {target(layout['target'])}",
        "",
    ]
    rows: list[tuple[str, ...]] = [
        ("RULE", "CARDS", "SLICES", "CLASS", "MEMORY EACH", "TIME SLICING", "TRAITS")
    ]
    rows += [row for number, card in enumerate(layout["cards"], start=1) for row in _rows(number, card)]
    return "\n".join([*lines, columns(rows) if len(rows) > 1 else "  no cards: all are offered whole"])


def _rules(cards: Sequence[View]) -> str:
    shown = [f"{card['match']} {cuts(card)}" for card in cards[:_MOST_RULES]]
    more = [f"and {len(cards) - _MOST_RULES} more"] if len(cards) > _MOST_RULES else []
    return shortened("; ".join([*shown, *more]), 100) or "-"


def _rows(number: int, card: View) -> Iterator[tuple[str, ...]]:
    if not card["cuts"]:
        yield str(number), card["match"], "whole", "-", "-", "-", "-"
    for place, cut in enumerate(card["cuts"]):
        own = cut["sharing"] or card["sharing"]
        yield (
            str(number) if place == 0 else "",
            card["match"] if place == 0 else "",
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
    idle = [f"  {rule['words']}" for rule in found["idle_rules"]]
    if found["in_step"]:
        return "\n".join([f"{host} stands as wanted ({named}){_besides(wanted, idle)}.", *idle])
    told = wanted["told_as"] if wanted else ""
    heard = "" if found["reported_version"] == told else "; the host has not answered to this version yet"
    lines = [f"{host} does not stand as wanted ({named}){heard}."]
    lines += [f"  {card['name']}: {differing(card)}" for card in found["cards"] if card["drift"]]
    return "\n".join([*lines, *idle])


def _besides(wanted: View | None, idle: Sequence[str]) -> str:
    if not idle or wanted is None:
        return ""
    return ", but no rule of it fits a card here" if len(idle) == len(wanted["cards"]) else ""


def hosts_described(page: View) -> str:
    """How the hosts of a layout stand: counted, and those named of which there is something to say."""
    hosts = page["hosts"]
    ours = [host for host in hosts if host["is_ours"]]
    stand = sum(host["in_step"] for host in ours)
    among = f" of the first {len(hosts)}" if page.get("hosts_links") else ""
    lines = [f"hosts{among} for which it counts: {len(ours)}; standing as wanted: {stand}"]
    if others := len(hosts) - len(ours):
        lines.append(f"hosts for which a nearer layout counts: {others}")
    told = [row for host in ours for row in _said(host)]
    lines += told[:_MOST_LINES]
    if len(told) > _MOST_LINES:
        lines.append(f"  ... and {len(told) - _MOST_LINES} lines more: `kcloud layout status HOST` says all")
    return "\n".join([*lines, *_idle(ours)])


def _idle(hosts: Sequence[View]) -> Iterator[str]:
    """Rules that fit no card, each once, with the hosts that have none; one of them says what is nearest."""
    without: dict[int, list[tuple[View, View]]] = {}
    for host in hosts:
        for rule in host["idle_rules"]:
            without.setdefault(rule["number"], []).append((host, rule))
    for number, found in sorted(without.items()):
        host, rule = found[0]
        if len(found) < len(hosts):
            names = shortened(", ".join(each["name"] for each, _ in found), 80)
            yield f"rule {number} (match {rule['match']}) fits no card of {len(found)} of them: {names}"
        else:
            nearest = rule["words"].partition("): ")[2]
            which = f"rule {number} (match {rule['match']})"
            yield f"{which} fits no card of any of them; {host['name']}: {nearest}"


def _said(host: View) -> Iterator[str]:
    down = f" (it is {host['state']})" if host["state"] != "up" else ""
    if host["drifting"]:
        cards = shortened(", ".join(host["drifting"]), 80)
        yield f"  {host['name']}{down}: differs on {cards}: `kcloud layout status {host['name']}` says why"
    elif not host["in_step"]:
        yield f"  {host['name']}{down}: has not answered to this version yet"


_WORDS = {
    "cut": "would be cut", "waits": "would wait", "refused": "cannot be cut so",
    "stands": "are cut so already", "unchanged": "stay as their layout has them", "untold": "nobody can tell",
}  # fmt: skip


def trial_described(found: View) -> str:
    """What a layout would do: a line for each card to which something happens, and how many there are."""
    rows: list[tuple[str, ...]] = [("HOST", "CARD", "MODEL", "NOW", "SHALL BE", "WHAT")]
    rows += [
        (
            host["name"] + (" (down)" if host["state"] == "down" else ""), card["name"],
            card["model"] or card["ids"], shortened(card["now"], 40), shortened(card["shall"], 40),
            _what(card),
        )
        for host in found["hosts"]
        for card in host["cards"]
        if card["outcome"] not in ("unchanged", "stands")
    ]  # fmt: skip
    lines = [columns(rows[: _MOST_LINES + 1]), ""] if len(rows) > 1 else []
    if len(rows) > _MOST_LINES + 1:
        lines.insert(1, f"... and {len(rows) - _MOST_LINES - 1} cards more (--json has all)")
    counted = [f"{count} {_WORDS[name]}" for name, count in found["outcomes"].items()]
    lines.append(f"cards: {', '.join(counted) or 'none'}. Nothing was changed.")
    ours = [host for host in found["hosts"] if host["is_ours"]]
    lines += (
        [f"for {len(ours)} hosts:", *(f"  {line}" for line in idle)] if (idle := list(_idle(ours))) else []
    )
    if nearer := [host for host in found["hosts"] if not host["is_ours"]]:
        names = shortened(", ".join(f"{host['name']} ({host['counts'] or 'none'})" for host in nearer), 200)
        lines.append(f"another layout counts for: {names}")
    if found["not_enrolled"]:
        lines.append(f"not enrolled yet: {shortened(', '.join(found['not_enrolled']), 200)}")
    return "\n".join(lines)


def _what(card: View) -> str:
    if not card["servers"]:
        return f"{card['outcome']}: {card['why']}" if card["why"] else str(card["outcome"])
    more = f" and {card['more_servers']} more" if card["more_servers"] else ""
    return f"{card['outcome']}: {card['why']} ({', '.join(card['servers'])}{more})"


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
