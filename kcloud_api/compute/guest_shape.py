"""Reads a flavor's words about the guest's machine (`hw:...`, with Nova's meanings). Pure."""

import re
from collections.abc import Collection, Mapping

from kcloud_api.scheduler.machine import Guest
from kcloud_api.scheduler.request import FlavorShape
from kcloud_common.errors import BadRequest
from kcloud_common.wire import GuestShape

NUMA_NODES = "hw:numa_nodes"
PAGE_SIZE = "hw:mem_page_size"
PHYS_BITS_MODE = "hw:maxphysaddr_mode"
PHYS_BITS = "hw:maxphysaddr_bits"
KEYS = frozenset({NUMA_NODES, PAGE_SIZE, PHYS_BITS_MODE, PHYS_BITS})
UNEVEN = ("hw:numa_cpus.", "hw:numa_mem.")
"""Nova's words for cells of different sizes."""

_SIZE = re.compile(r"([1-9][0-9]{0,9})\s*(KiB|KB|K|MiB|MB|M|GiB|GB|G)?\Z", re.IGNORECASE | re.ASCII)
_KIB = {"": 1, "k": 1, "m": 1024, "g": 1024 * 1024}
_MOST_NODES = 64


def guest_shape(extra_specs: Mapping[str, str]) -> GuestShape:
    """BadRequest names the extra spec that is wrong."""
    mode = extra_specs.get(PHYS_BITS_MODE)
    if mode not in (None, "passthrough", "emulate"):
        raise BadRequest(
            f"Extra spec {PHYS_BITS_MODE} must be 'passthrough' or 'emulate'.", field=PHYS_BITS_MODE
        )
    bits = _number(extra_specs, PHYS_BITS, 32, 64)
    if mode == "emulate" and bits is None:
        raise BadRequest(f"Extra spec {PHYS_BITS_MODE}=emulate needs {PHYS_BITS} too.", field=PHYS_BITS)
    if mode != "emulate" and bits is not None:
        raise BadRequest(f"Extra spec {PHYS_BITS} needs {PHYS_BITS_MODE}=emulate.", field=PHYS_BITS)
    return GuestShape(
        numa_nodes=_number(extra_specs, NUMA_NODES, 1, _MOST_NODES) or 0,
        page_size=_page_size(extra_specs.get(PAGE_SIZE)),
        phys_bits_mode=mode,
        phys_bits=bits,
    )


def concerns(keys: Collection[str]) -> bool:
    """Whether any of these extra specs is about the machine."""
    return any(key in KEYS or key.startswith(UNEVEN) for key in keys)


def guest_of(flavor: FlavorShape) -> Guest:
    return Guest(flavor.vcpus, flavor.ram_mib, guest_shape(flavor.extra_specs))


def check(extra_specs: Mapping[str, str], vcpus: int, ram_mib: int) -> None:
    """BadRequest too for a machine that no host could make: its cells share everything out evenly."""
    uneven = min((key for key in extra_specs if key.startswith(UNEVEN)), default=None)
    if uneven is not None:
        raise BadRequest(
            f"Extra spec {uneven} is not supported: NUMA nodes share vCPUs and memory out evenly.",
            field=uneven,
        )
    shape = guest_shape(extra_specs)
    count = shape.numa_nodes
    if count and (vcpus % count or ram_mib % count):
        raise BadRequest(
            f"Extra spec {NUMA_NODES}={count} does not divide the flavor's {vcpus} vCPUs and {ram_mib} MiB "
            "of memory evenly.",
            field=NUMA_NODES,
        )
    size = shape.page_size or ""
    if size.isdecimal() and ram_mib * 1024 % (int(size) * max(1, count)):
        each = f"each of {count} NUMA nodes' share of " if count > 1 else ""
        raise BadRequest(
            f"Extra spec {PAGE_SIZE}: {each}{ram_mib} MiB of memory is no whole number of {size} KiB pages.",
            field=PAGE_SIZE,
        )


def _number(extra_specs: Mapping[str, str], key: str, least: int, most: int) -> int | None:
    text = extra_specs.get(key)
    if text is None:
        return None
    # isdecimal alone would let other scripts' digits pass.
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise BadRequest(f"Extra spec {key} must be a whole number from {least} to {most}.", field=key)
    return int(text)


def _page_size(text: str | None) -> str | None:
    if text is None or text in ("small", "large", "any"):
        return text
    found = _SIZE.match(text)
    if found is None:
        raise BadRequest(
            f"Extra spec {PAGE_SIZE} must be small, large, any, or a size such as 2MB or 1048576 (KiB).",
            field=PAGE_SIZE,
        )
    kib = int(found[1]) * _KIB[(found[2] or "")[:1].lower()]
    if kib >= 10**10:
        raise BadRequest(f"Extra spec {PAGE_SIZE} is larger than any page.", field=PAGE_SIZE)
    return str(kib)
