"""Decides what is said of a slice with a vGPU type: its memory, its share of the card, its traits. Pure."""

from dataclasses import replace

from vfio.slices import naming, sharing
from vfio.slices.model import Ability, Card, Cut, Plan, Slice
from vfio.slices.vgpu_types import parse_name

_MIG = "CUSTOM_PARTITION_MIG"


def sized(blank: Slice, card: Card, plan: Plan, cut: Cut, ability: Ability) -> Slice:
    """`ability`: of the cut's type, as it was read when the card was empty."""
    found = naming.with_memory(blank, ability.memory_mib)
    if not parse_name(ability.name).on_mig:
        return replace(found, share=sharing.share(plan, cut, ability.most))
    fixed = instance_share(card, ability) or 1000 // max(ability.most, plan.count, 1)
    return replace(found, share=fixed, traits=(*found.traits, _MIG))


def instance_share(card: Card, ability: Ability) -> int | None:
    """What a MIG-backed type has of the card, in thousandths: the compute parts of its GPU instance, whatever
    else stands. Where its memory is much less than such an instance's, several vGPUs take turns on one, and
    each has what it has of the memory; so too where the parts are not known. None: neither is."""
    parts, memory = parse_name(ability.name).parts, None
    if ability.memory_mib and card.memory_mib:
        memory = min(1000 * ability.memory_mib // card.memory_mib, 1000)
    if not (parts and card.mig_parts and parts <= card.mig_parts):
        return memory
    compute = 1000 * parts // card.mig_parts
    # An instance has at least seven eighths of its parts' worth of memory; half an instance has half of that.
    return memory if memory is not None and 4 * memory < 3 * compute else compute
