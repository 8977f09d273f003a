"""Checks of what rules name: what cannot be offered and why, and whether there is anything at all. Pure."""

from collections.abc import Iterator

from vfio.doctor.facts import Facts
from vfio.doctor.finding import Finding, Severity


def device(facts: Facts) -> Iterator[Finding]:
    """A rule names devices that cannot be offered; the code is `device_` and the reason's code."""
    for refusal in facts.result.refusals:
        if refusal.code == "in_use" and _boot_display(facts, refusal.addresses):
            continue  # drivers.boot_display_offered says it better
        if refusal.code == "virtual_functions" and all(map(facts.is_cut, refusal.addresses)):
            continue  # so it shall be
        reason, _, way_out = refusal.reason.partition(" Way out: ")
        yield Finding(
            Severity.WARNING,
            f"{', '.join(refusal.addresses)} cannot be offered",
            "no server can have it",
            reason,
            way_out or "leave it to the host: write rules in [devices] offer that do not name it",
            refusal.addresses[0],
            f"device_{refusal.code}",
        )


def _boot_display(facts: Facts, addresses: tuple[str, ...]) -> bool:
    return any(
        address in facts.snapshot.devices and facts.snapshot.devices[address].boot_vga
        for address in addresses
    )


def no_devices(facts: Facts) -> Iterator[Finding]:
    """The host has nothing that a rule names: it runs servers without accelerators."""
    if not (facts.result.offers or facts.result.refusals or facts.pim_ranks):
        yield Finding(
            Severity.NOTE,
            "no accelerator found",
            "servers without accelerators run here all the same",
            f"none of {len(facts.snapshot.devices)} PCI functions fits a rule",
            "name one by a rule in [devices] offer, such as class:1200 or an address",
        )
