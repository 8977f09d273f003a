"""Checks of resets and sleep: can a card be made clean between tenants, and does it answer now. Pure."""

from collections.abc import Iterator

from vfio.config_space import damage
from vfio.device import PciDevice
from vfio.doctor.facts import VFIO_PCI, Facts
from vfio.doctor.finding import Finding, Severity

_D = "/sys/bus/pci/devices"
_ALONE = frozenset({"flr", "af_flr", "device_specific"})
"""They reset one function and nothing beside it."""
_WIDE = frozenset({"bus", "cxl_bus"})
_ASLEEP = frozenset({"D3cold", "D3hot"})


def device_asleep(facts: Facts) -> Iterator[Finding]:
    """A card sleeps so deep that nothing of it can be read."""
    for card in facts.cards:
        found = facts.of(card.address)
        if found.power_state == "D3cold" and damage(found.config) is not None:
            yield Finding(
                Severity.ERROR,
                f"{card.address} sleeps in D3cold and does not answer",
                "it fails its reset and cannot be given to a guest until it is woken",
                f"{_D}/{card.address}/power_state: D3cold; config reads all ones",
                f"echo 0 > {_D}/{card.address}/d3cold_allowed; echo on > {_D}/{card.address}/power/control",
                card.address,
            )


def device_dead(facts: Facts) -> Iterator[Finding]:
    """A card does not answer although it is not asleep: lost power, fell off the bus, or a bad reset."""
    for card in facts.cards:
        found = facts.of(card.address)
        # A virtual function's own registers for vendor and device read ffff by the SR-IOV specification.
        wrong = damage(found.config) if found.config and card.physfn is None else None
        if wrong is None or wrong.code == "short" or found.power_state == "D3cold":
            continue
        yield Finding(
            Severity.ERROR,
            f"{card.address} does not answer",
            "no guest can use it, and starting one with it fails or hangs",
            f"{_D}/{card.address}/config: {wrong.why}",
            f"echo 1 > {_D}/{card.address}/remove; echo 1 > /sys/bus/pci/rescan; "
            "if it stays away, power the host off and on",
            card.address,
        )


def d3cold_allowed(facts: Facts) -> Iterator[Finding]:
    """A card that waits on vfio-pci may be sent to D3cold, out of which its reset fails."""
    for card in facts.cards:
        found = facts.of(card.address)
        if card.driver != VFIO_PCI or not found.d3cold_allowed or found.power_control != "auto":
            continue
        if facts.kernel.parameters.get("vfio_pci.disable_idle_d3") in ("1", "Y"):
            continue
        yield Finding(
            Severity.WARNING,
            f"{card.address} may be sent to D3cold while it waits on vfio-pci",
            "a reset out of D3cold fails: the card would be quarantined for nothing",
            f"{_D}/{card.address}/d3cold_allowed: 1, power/control: auto",
            f"echo 0 > {_D}/{card.address}/d3cold_allowed",
            card.address,
        )


def reset_absent(facts: Facts) -> Iterator[Finding]:
    """The kernel knows no way to reset a card."""
    for card in _whole(facts):
        if not card.reset_methods:
            yield Finding(
                Severity.WARNING,
                f"{card.address} cannot be reset",
                "what one tenant left in it would reach the next: it is quarantined after its first server",
                f"{_D}/{card.address}/reset_method is not there or empty",
                f"echo default > {_D}/{card.address}/reset_method; or offer it to one tenant only",
                card.address,
            )


def reset_unsafe(facts: Facts) -> Iterator[Finding]:
    """The kernel has ways to reset a card, and none of them is known to be safe for it."""
    for card in _whole(facts):
        allowed = facts.products[card.address].reset_methods
        if not card.reset_methods or allowed is None or set(allowed) & set(card.reset_methods):
            continue
        notes = facts.products[card.address].notes
        known = notes.get("reset_breaks_until_reboot") or notes.get("device_specific_reset")
        yield Finding(
            Severity.WARNING,
            f"no reset of {card.address} ({facts.products[card.address].model}) is known to be safe",
            "it is quarantined after its first server"
            + (f" (known of such cards: {known})" if known else ""),
            f"{_D}/{card.address}/reset_method: {' '.join(card.reset_methods)}; "
            f"the catalogue allows {', '.join(allowed) or 'none'}",
            "cut it by a layout and offer its virtual functions instead of the whole card",
            card.address,
        )


def reset_weak(facts: Facts) -> Iterator[Finding]:
    """Only the power management reset is there, which leaves most of a device as it was."""
    for card in _whole(facts):
        if card.reset_methods and set(card.reset_methods) <= {"pm", "acpi"}:
            yield Finding(
                Severity.WARNING,
                f"{card.address} has no function-level reset and none by its bus",
                "a reset may leave settings of one tenant to the next; certificates say so",
                f"{_D}/{card.address}/reset_method: {' '.join(card.reset_methods)}",
                "move the card below a port of its own, so that the kernel can reset the bus",
                card.address,
            )


def reset_hits_others(facts: Facts) -> Iterator[Finding]:
    """A card can be reset only together with functions that are not given away with it."""
    for card in _whole(facts):
        methods = set(card.reset_methods)
        if not methods & _WIDE or methods & _ALONE:
            continue
        others = _on_its_bus(facts, card)
        if others:
            yield Finding(
                Severity.WARNING,
                f"resetting {card.address} resets {', '.join(others)} too",
                "the kernel refuses that while anything else has them: the card cannot be cleaned alone",
                f"{_D}/{card.address}/reset_method: {' '.join(card.reset_methods)}",
                "offer them together, or move one of them to another slot",
                card.address,
            )


def _on_its_bus(facts: Facts, card: PciDevice) -> list[str]:
    bus = card.slot.rpartition(":")[0]
    return sorted(
        other.address
        for other in facts.snapshot.devices.values()
        if other.slot.rpartition(":")[0] == bus
        and other.address != card.address
        and not other.is_bridge
        and other.iommu_group != card.iommu_group
        and other.physfn is None
    )


def _whole(facts: Facts) -> Iterator[PciDevice]:
    """Those that are given whole: the accelerators themselves, without what only comes along with them."""
    for card in facts.cards:
        if (
            card.physfn is None
            and not facts.vfs(card.address)
            and facts.products[card.address].kind != "other"
        ):
            yield card
