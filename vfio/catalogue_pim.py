"""Processing-in-memory that is no PCI device: what a host has of it, as a count. Pure.

PIM comes in two shapes. A card on PCI is a device like any other: an operator's rule or catalogue file gives
it the kind `pim` (no public list has the ids of such cards). UPMEM's DIMMs are no PCI functions, so VFIO
cannot give them to a guest: their ranks are a counted inventory of the host, for its own workloads, that no
server can claim.

UPMEM's driver makes one device of the class `dpu_rank` for each rank, with `is_owned` 1 while a process has
it (UPMEM SDK: dpu_rank driver and backends). Without that driver an operator declares the count.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

UPMEM_CLASS = "sys/class/dpu_rank"
"""Where the kernel lists ranks, below the root that Sysfs was opened with; absent without the driver."""
UPMEM_OWNED = "is_owned"
"""Attribute of a rank: `1` while a process has it."""

_RANK = re.compile(r"dpu_rank(\d+)\Z")


@dataclass(frozen=True, slots=True)
class HostResource:
    """A counted thing of the host that no guest can have."""

    resource_class: str
    total: int
    reserved: int
    """All of it: placement shows what there is, and hands none of it out."""
    used: int | None = None
    """By processes of the host; None: not known."""
    declared: bool = False
    """An operator said so; the kernel did not show it."""


def upmem_ranks(shown: Mapping[str, str], declared: int | None = None) -> HostResource | None:
    """From the ranks that the kernel shows (name to the text of `is_owned`, "" when it could not be read), or
    from an operator's count when it shows none. None: there is no such memory here."""
    ranks = {name: text.strip() for name, text in shown.items() if _RANK.match(name)}
    total = len(ranks) or max(declared or 0, 0)
    if not total:
        return None
    known = bool(ranks) and all(ranks.values())
    return HostResource(
        resource_class="CUSTOM_PIM_UPMEM_RANK",
        total=total,
        reserved=total,
        used=sum(text != "0" for text in ranks.values()) if known else None,
        declared=not ranks,
    )
