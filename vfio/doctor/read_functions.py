"""Reads what sysfs shows of a PCI function beyond its identity: power, link, errors, windows, slices."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from vfio.device import Link
from vfio.doctor.facts import FunctionFacts, Resource
from vfio.errors import SysfsError, Vanished
from vfio.reading import lines, names
from vfio.scan import DEVICES, Attributes, parse_link
from vfio.sysfs import Sysfs

_MEMORY = 0x00000200
_RESIZE = re.compile(r"resource([0-5])_resize\Z")
_AER_KINDS = ("correctable", "nonfatal", "fatal")


def read_function(sysfs: Sysfs, address: str) -> FunctionFacts:
    """Nothing of a function that left while it was read."""
    try:
        return _read(sysfs, address)
    except Vanished:
        return FunctionFacts()


def _read(sysfs: Sysfs, address: str) -> FunctionFacts:
    folder = f"{DEVICES}/{address}"
    entries = frozenset(sysfs.listdir(folder))
    attributes = Attributes(sysfs, address)
    config = b""
    with suppress(SysfsError):
        config = sysfs.read_bytes(f"{folder}/config")
    return FunctionFacts(
        config=config,
        resources=parse_resources(attributes.text("resource") or ""),
        link=_link_now(attributes),
        power_state=attributes.text("power_state"),
        power_control="".join(lines(sysfs, f"{folder}/power/control")) or None,
        d3cold_allowed=_flag(attributes.text("d3cold_allowed")),
        aer=read_errors(sysfs, address),
        vfs_offered=_number(attributes.text("sriov_totalvfs")),
        autoprobe=_flag(attributes.text("sriov_drivers_autoprobe")),
        mdev_types=names(sysfs, f"{folder}/mdev_supported_types"),
        vendor_vgpu="nvidia" in entries and sysfs.exists(f"{folder}/nvidia/creatable_vgpu_types"),
        largest_bars=_largest_bars(attributes, entries),
    )


def read_errors(sysfs: Sysfs, address: str) -> Mapping[str, int]:
    """Totals of the AER counters, those that are there."""
    found = {}
    for kind in _AER_KINDS:
        for line in lines(sysfs, f"{DEVICES}/{address}/aer_dev_{kind}"):
            name, _, count = line.rpartition(" ")
            if name.startswith("TOTAL_") and count.isdecimal():
                found[kind] = int(count)
    return found


def parse_resources(text: str) -> tuple[Resource, ...]:
    found = []
    for index, line in enumerate(text.splitlines()):
        words = line.split()
        if len(words) != 3:
            continue
        start, end, flags = (int(word, 16) for word in words)
        if flags & _MEMORY:
            found.append(Resource(index, start, end - start + 1, flags))
    return tuple(found)


def _link_now(attributes: Attributes) -> Link | None:
    return parse_link(attributes.text("current_link_speed"), attributes.text("current_link_width"))


def _largest_bars(attributes: Attributes, entries: Iterable[str]) -> Mapping[int, int]:
    """Bit n of the mask stands for 2^n MiB."""
    largest = {}
    for found in filter(None, map(_RESIZE.match, entries)):
        mask = int(attributes.text(found[0]) or "0", 16)
        if mask:
            largest[int(found[1])] = 1 << (mask.bit_length() - 1 + 20)
    return largest


def _flag(text: str | None) -> bool | None:
    return None if text is None else text in ("1", "Y")


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
