"""Reads what drivers say of their vGPU types, and counts how many of one fit on an empty card. Pure.

A MIG-backed type says in its name how many compute parts its GPU instance has. Which instances an operator
made is not read: `/proc/driver/nvidia/capabilities/gpuN/mig/giM` shows their numbers and not their profiles,
and `gpu_instance_id` of a virtual function is such a number. What the driver says of a type follows from
them: `available_instances` counts them, `creatable_vgpu_types` only lists a type while one is free. So on
vendor-specific VFIO `most` is a bound for such a type; a layout that wants more than stand is refused.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vfio.slices.model import Cut

_LINE = re.compile(r"\s*(\d+)\s*:\s*(\S.*?)\s*\Z")
_NAME = re.compile(r"-(?:(?P<parts>\d+)-)?(?P<gib>\d+)[ABCQ]\d?(?P<mig>ME)?\Z")
_FRAMEBUFFER = re.compile(r"framebuffer=(\d+)M")
_MAX_INSTANCE = re.compile(r"max_instance=(\d+)")
_SMALLEST_MIB = 512
"""What a 0 means in a name (`M60-0B`)."""


@dataclass(frozen=True, slots=True)
class VgpuType:
    """One type as its driver shows it. None: it doesn't say."""

    id: str
    name: str
    memory_mib: int | None = None
    max_instance: int | None = None
    on_mig: bool = False
    """On a GPU instance: a part of the hardware, not of its time."""
    parts: int | None = None
    """Compute parts of that instance; of the card's `mig_parts`."""


def parse_creatable(text: str) -> tuple[VgpuType, ...]:
    """`creatable_vgpu_types`: a heading, then `1145  : NVIDIA L40S-1B` on each line."""
    lines = (_LINE.match(line) for line in text.splitlines())
    return tuple(_named(found[1], found[2]) for found in lines if found)


def parse_described(id: str, name: str, description: str) -> VgpuType:
    """An mdev type's `name` and `description` (`num_heads=4, ..., framebuffer=1024M, max_instance=16`)."""
    named = _named(id, name)
    memory, most = _FRAMEBUFFER.search(description), _MAX_INSTANCE.search(description)
    return VgpuType(
        id,
        name,
        int(memory[1]) if memory else named.memory_mib,
        int(most[1]) if most else None,
        named.on_mig,
        named.parts,
    )


def most(kind: VgpuType, seats: int, total_mib: int | None) -> int:
    """How many fit on an empty card with so many seats for this type. `total_mib`: of the card."""
    bounds = [seats]
    if kind.max_instance is not None:
        bounds.append(kind.max_instance)
    if kind.memory_mib and total_mib:
        bounds.append(total_mib // kind.memory_mib)
    return min(bounds)


def total_mib(kinds: Iterable[VgpuType], known: int | None) -> int | None:
    """The card's memory for vGPUs: its largest type takes all of it, where the driver lists types of the
    whole card; else what the catalogue knows."""
    kinds = tuple(kinds)
    sizes = [kind.memory_mib or 0 for kind in kinds]
    if not sizes or not max(sizes) or all(kind.on_mig for kind in kinds):
        return known
    return max(sizes)


def largest_first(cuts: Iterable[Cut], memory: Mapping[str, int | None]) -> tuple[Cut, ...]:
    """The order in which a mix fits if it fits in any: small ones find room beside large ones."""
    return tuple(sorted(cuts, key=lambda cut: -(memory.get(cut.type) or 0)))


def parse_name(name: str) -> VgpuType:
    """As much as the name alone says."""
    return _named("", name)


def _named(id: str, name: str) -> VgpuType:
    found = _NAME.search(name)
    if found is None:
        return VgpuType(id, name)
    memory = int(found["gib"]) * 1024 or _SMALLEST_MIB
    parts = int(found["parts"]) if found["parts"] else None
    return VgpuType(id, name, memory, on_mig=bool(parts or found["mig"]), parts=parts)
