"""Devices and cards as the `kcloud` command shows them to a person. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kcloud_cli.tables import columns

View = Mapping[str, Any]
"""A device or card as the API shows it."""

_HEAD = ("ID", "HOST", "DEVICE", "MODEL", "SLICE", "SHARE", "MEMORY", "CLASS", "NUMA", "STATE", "SERVER")
IN_USE = ("free", "claimed", "attached")
_MORE = ("VENDOR:PRODUCT", "LINK", "PCIE PATH")


def device_table(devices: Iterable[View], *, long: bool = False) -> str:
    """One line each; below it what to do about those that are out of use."""
    listed = sorted(devices, key=lambda each: (each["host"], each["card"], each["name"]))
    rows = [(*_HEAD, *(_MORE if long else ()))]
    rows += [(*_row(device), *(_more(device) if long else ())) for device in listed]
    return "\n".join([columns(rows), *_advice(listed)])


def _row(device: View) -> tuple[str, ...]:
    held = device["claim"]["server_id"] if device["claim"] else "-"
    return (
        str(device["id"]), device["host"], device["name"], _model(device), sort_of(device),
        share(device["share"]), memory(device["memory_mib"]), device["resource_class"],
        _or_dash(device["numa_node"]), _state(device), str(held),
    )  # fmt: skip


def _more(device: View) -> tuple[str, ...]:
    path = "/".join(device["pci_path"]) or "-"
    return (f"{device['vendor_id']}:{device['product_id']}", link(device["link"]), path)


def _advice(devices: Iterable[View]) -> Iterator[str]:
    states = {device["state"] for device in devices} | {
        "held back" for device in devices if device["held_back"]
    }
    if states & {"quarantined", "held back", "missing"}:
        yield ""
        yield "`kcloud device show ID` says why a device is quarantined, held back or missing."


def described(device: View) -> str:
    """All of one device, what ails it first."""
    lines = [f"{device['name']} on {device['host']} ({device['id']})"]
    lines += [f"  {name:<12}{value}" for name, value in _facts(device) if value not in ("", "-")]
    return "\n".join(lines)


def _facts(device: View) -> Iterator[tuple[str, str]]:
    yield "state", _state(device)
    yield "why", device["reason"]
    yield "held back", device["held_back"] if _says_more(device) else ""
    if device["quarantine_reason"] and not device["held_back"]:
        yield "quarantine", f"an operator wants it so: {device['quarantine_reason']}"
    if device["release_count"] > device["release_done"]:
        yield "burn-in", "asked for, not reported yet"
    yield "server", str(device["claim"]["server_id"]) if device["claim"] else ""
    yield "model", f"{_model(device)} ({device['vendor_id']}:{device['product_id']})"
    yield "serial", device["serial"]
    yield "slice", _slice(device)
    yield "memory", memory(device["memory_mib"])
    yield "sharing", sharing(device["sharing"])
    yield "class", device["resource_class"]
    yield "traits", " ".join(device["traits"])
    yield "addresses", " ".join(device["addresses"])
    yield "NUMA node", _or_dash(device["numa_node"])
    yield "PCIe path", "/".join(device["pci_path"])
    yield "link", link(device["link"])
    yield "health", _health(device["health"])
    yield "leases", _leases(device)
    yield "last seen", str(device["last_seen"])


def _says_more(device: View) -> bool:
    """Whether what holds it back is more than its state, which stands above with the reason for it."""
    return device["state"] in IN_USE or device["maintenance"] or device["quarantine_reason"] != ""


def _slice(device: View) -> str:
    if device["kind"] == "whole":
        return "the whole card"
    return f"{sort_of(device)}, {share(device['share'])} of card {device['card']}"


def _leases(device: View) -> str:
    if not device["generation"]:
        return "none so far"
    if device["claim"]:
        return f"{device['generation']}, the last one is not over"
    certified = device["certified_generation"] == device["generation"]
    return (
        f"{device['generation']}, the last one {'ended with a certificate' if certified else 'has none yet'}"
    )


def _health(found: View | None) -> str:
    if found is None:
        return ""
    counts = {
        "correctable": found["aer_correctable"], "nonfatal": found["aer_nonfatal"],
        "fatal": found["aer_fatal"], "XID": found["xid"],
    }  # fmt: skip
    errors = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    words = [f"errors: {errors}" if errors else "no errors counted"]
    words += [f"link now {link(found['link'])}"] if found["link"] else []
    words += [found["evidence"]] if found["evidence"] else []
    return "; ".join(words)


def card_table(cards: Iterable[View]) -> str:
    rows = [("ID", "HOST", "CARD", "ADDRESS", "MODEL", "MEMORY", "CAN BE CUT INTO", "LAYOUT")]
    for card in sorted(cards, key=lambda each: (each["host"], each["name"])):
        kinds = sorted({one["kind"] for one in card["abilities"] if one["kind"] != "whole" and _can(one)})
        rows.append((
            str(card["id"]), card["host"], card["name"], card["address"], _model(card),
            memory(card["memory_mib"]), ", ".join(kinds) or "-", "differs" if card["drift"] else "stands",
        ))  # fmt: skip
    return columns(rows)


def card_described(card: View) -> str:
    """With a line for each thing that it can be cut into, and how it differs from its layout."""
    head = [
        f"{card['name']} on {card['host']} ({card['id']})",
        f"  model     {_model(card)} ({card['vendor_id']}:{card['product_id']}), at {card['address']}",
        *([f"  serial    {card['serial']}"] if card["serial"] else []),
        f"  memory    {memory(card['memory_mib'])}",
        f"  layout    {'differs: ' + differing(card) if card['drift'] else 'stands'}",
        "",
    ]
    reasons = list(dict.fromkeys(one["refused"] for one in card["abilities"] if one["refused"]))
    rows = [("CAN BE CUT INTO", "NAME", "MOST", "MEMORY EACH", "TIME SLICING", "BUT")]
    rows += [
        (
            sort_of({**one, "slice_type": one["type"]}), one["name"] or "-", str(one["most"]),
            memory(one["memory_mib"]), _policies(one),
            f"({reasons.index(one['refused']) + 1})" if one["refused"] else "",
        )
        for one in card["abilities"]
    ]  # fmt: skip
    # Below the table: a reason is a sentence or two.
    notes = [f"({number}) {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*head, columns(rows), *([""] if notes else []), *notes])


def differing(card: View) -> str:
    """What its host says of a card, without its name, which stands before it."""
    words, named = str(card["drift"]), f"card {card['name']} "
    return f"it {words.removeprefix(named)}" if words.startswith(named) else words


def _can(ability: View) -> bool:
    """A kind whose types are not named before there is a layout can be had; one with its reasons against it
    cannot."""
    return bool(ability["most"]) and (not ability["refused"] or "a layout switches" in ability["refused"])


def _policies(ability: View) -> str:
    return ", ".join([*ability["policies"], *(["quantum"] if ability["quantum"] else [])]) or "-"


def sort_of(device: View) -> str:
    """`whole`, `vf`, `mdev nvidia-231`."""
    return f"{device['kind']} {device['slice_type']}".rstrip()


def share(thousandths: int) -> str:
    return "all" if thousandths == 1000 else f"{thousandths / 10:g} %"


def memory(mib: int | None) -> str:
    if mib is None:
        return "-"
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def sharing(found: View | None) -> str:
    """`equal, quantum 2000 us`."""
    if found is None:
        return ""
    words = [found["policy"] or ""]
    words += [f"quantum {found['quantum_us']} us"] if found["quantum_us"] is not None else []
    if found["preempt_timeout_us"] is not None:
        words.append(f"preempted after {found['preempt_timeout_us']} us")
    words += [f"weight {found['weight']}"] if found["weight"] is not None else []
    return ", ".join(filter(None, words))


def link(found: View | None) -> str:
    return f"{found['speed']:g} GT/s x{found['width']}" if found else "-"


def _state(device: View) -> str:
    if device["state"] in IN_USE and device["held_back"]:
        return f"{device['state']}, held back"
    return str(device["state"])


def _model(thing: View) -> str:
    return thing["model"] or f"{thing['vendor_id']}:{thing['product_id']}"


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
