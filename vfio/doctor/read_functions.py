"""Reads what sysfs shows of a PCI function beyond its identity: power, link, errors, windows, slices."""

import re
from collections.abc import Mapping

from vfio.doctor.facts import FunctionFacts, Resource
from vfio.doctor.reading import data, first, is_there, listed, told
from vfio.scan import DEVICES, parse_link
from vfio.sysfs import Sysfs

_HEX = re.compile(r"(0x)?[0-9a-f]+\Z")
_MEMORY = 0x00000200
_RESIZE = re.compile(r"resource([0-5])_resize\Z")
_AER_KINDS = ("correctable", "nonfatal", "fatal")


def read_function(sysfs: Sysfs, address: str) -> FunctionFacts:
    """Nothing of a function that left while it was read."""
    folder = f"{DEVICES}/{address}"
    entries = frozenset(listed(sysfs, folder))

    def text(name: str) -> str | None:
        # One listing first, as most functions lack most attributes.
        return first(sysfs, f"{folder}/{name}") or None if name in entries else None

    return FunctionFacts(
        config=data(sysfs, f"{folder}/config"),
        resources=parse_resources("\n".join(told(sysfs, f"{folder}/resource"))),
        link=parse_link(text("current_link_speed"), text("current_link_width")),
        power_state=text("power_state"),
        power_control=first(sysfs, f"{folder}/power/control") or None,
        d3cold_allowed=_flag(text("d3cold_allowed")),
        aer=read_errors(sysfs, address),
        vfs_offered=_number(text("sriov_totalvfs")),
        autoprobe=_flag(text("sriov_drivers_autoprobe")),
        mdev_types=listed(sysfs, f"{folder}/mdev_supported_types"),
        vendor_vgpu="nvidia" in entries and is_there(sysfs, f"{folder}/nvidia/creatable_vgpu_types"),
        largest_bars=_largest_bars({name: text(name) or "" for name in entries if _RESIZE.match(name)}),
    )


def read_errors(sysfs: Sysfs, address: str) -> Mapping[str, int]:
    """Totals of the AER counters, those that are there."""
    found = {}
    for kind in _AER_KINDS:
        for line in told(sysfs, f"{DEVICES}/{address}/aer_dev_{kind}"):
            name, _, count = line.rpartition(" ")
            if name.startswith("TOTAL_") and count.isdecimal():
                found[kind] = int(count)
    return found


def parse_resources(text: str) -> tuple[Resource, ...]:
    found = []
    for index, line in enumerate(text.splitlines()):
        words = line.split()
        if len(words) != 3 or not all(map(_HEX.match, words)):
            continue
        start, end, flags = (int(word, 16) for word in words)
        if flags & _MEMORY and end >= start:
            found.append(Resource(index, start, end - start + 1, flags))
    return tuple(found)


def _largest_bars(masks: Mapping[str, str]) -> Mapping[int, int]:
    """Bit n of the mask in `resourceN_resize` stands for 2^n MiB."""
    largest = {}
    for name, text in masks.items():
        found = _RESIZE.match(name)
        if found and _HEX.match(text) and (mask := int(text, 16)):
            largest[int(found[1])] = 1 << (mask.bit_length() - 1 + 20)
    return largest


def _flag(text: str | None) -> bool | None:
    return None if text is None else text in ("1", "Y")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
