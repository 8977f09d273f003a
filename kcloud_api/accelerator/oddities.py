"""Decides which values of a device's report can't be kept as they are said, or would stop who reads them.

Only the device that has one is not offered; the rest of its host's report stands. Pure.
"""

import re
from collections.abc import Mapping

from kcloud_api.placement.names import LONGEST, canonical_class, is_resource_class
from kcloud_common.wire import DeviceReport

MOST_PLACES = 256
"""Of a device's addresses, traits, and bridges above it."""
LONGEST_PLACE = 255
LARGEST_NODE = 2**15
_ADDRESS = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


def oddities(device: DeviceReport) -> Mapping[str, str]:
    """By field of the device's row, what is wrong with it. Mostly nothing."""
    found: dict[str, str] = {}
    if not is_resource_class(canonical_class(device.resource_class)):
        found["resource_class"] = f"no resource class is called {_shown(device.resource_class)}"
    if device.numa_node is not None and not -LARGEST_NODE <= device.numa_node <= LARGEST_NODE:
        found["numa_node"] = f"no NUMA node has the number {_shown(str(device.numa_node))}"
    for name in device.addresses:
        if not _ADDRESS.fullmatch(name):
            found["addresses"] = f"no PCI function has the address {_shown(name)}"
    lists: dict[str, tuple[str, ...]] = {
        "addresses": device.addresses, "traits": device.traits, "pci_path": device.pci_path,
    }  # fmt: skip
    for field, names in lists.items():
        if len(names) > MOST_PLACES:
            found[field] = f"it has more than {MOST_PLACES} {field.replace('_', ' ')}"
        elif any(_unfit(name) for name in names) and field not in found:
            found[field] = f"one of its {field.replace('_', ' ')} can't be kept"
    return found


def in_words(found: Mapping[str, str]) -> str:
    """For operators; empty when nothing is odd."""
    return "; ".join(sorted(set(found.values())))


EMPTY: Mapping[str, object] = {
    "resource_class": "", "numa_node": None, "addresses": [], "traits": [], "pci_path": [],
}  # fmt: skip
"""What stands for an odd value of a device of which no better one is known."""


def _unfit(name: str) -> bool:
    return len(name) > LONGEST_PLACE or not name.isprintable()


def _shown(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[: LONGEST + 1])
    return repr(plain if len(plain) <= 64 else f"{plain[:61]}...")
