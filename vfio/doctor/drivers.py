"""Checks of who has the cards: host drivers, and processes that hold a card's files open. Pure."""

from collections.abc import Iterator

from vfio.doctor.facts import VFIO_PCI, Facts
from vfio.doctor.finding import Finding, Severity

_SHOWN = 3
_BLACKLIST = "echo 'blacklist nouveau' > /etc/modprobe.d/kcloud-nouveau.conf && update-initramfs -u && reboot"


def card_held_open(facts: Facts) -> Iterator[Finding]:
    """A process uses a card: taking it for a guest hangs until the process lets go."""
    for card in facts.cards:
        holders = facts.holders.get(card.address, ())
        if not holders or card.driver in (None, VFIO_PCI):
            continue
        if facts.is_cut(card.address) or facts.vfs(card.address):
            continue  # its driver and its vendor's daemons shall have it
        named = ", ".join(f"{holder.name} ({holder.pid})" for holder in holders[:_SHOWN])
        more = f" and {len(holders) - _SHOWN} more" if len(holders) > _SHOWN else ""
        yield Finding(
            Severity.ERROR,
            f"{card.address} is in use by {named}{more}",
            f"giving it to a guest hangs: driver {card.driver} does not let go while a process has it open",
            f"/proc/{holders[0].pid}/fd has {holders[0].file}",
            _stop(holders[0].name, holders[0].pid),
            card.address,
        )


def _stop(name: str, pid: int) -> str:
    service = {"nvidia-persiste": "nvidia-persistenced", "nvidia-persistenced": "nvidia-persistenced",
               "nv-hostengine": "nvidia-dcgm", "Xorg": "display-manager"}.get(name)  # fmt: skip
    return f"systemctl disable --now {service}" if service else f"kill {pid}"


def nouveau_holds_card(facts: Facts) -> Iterator[Finding]:
    """The open display driver has a card; its unbinding is known to hang and to leave cards unfit."""
    for card in facts.cards:
        if card.driver == "nouveau":
            yield Finding(
                Severity.WARNING,
                f"nouveau has {card.address}",
                "taking it for a guest may hang or leave the card in a state that its next driver cannot use",
                f"/sys/bus/pci/devices/{card.address}/driver -> nouveau",
                _BLACKLIST,
                card.address,
            )


def drivers_compete(facts: Facts) -> Iterator[Finding]:
    """Two drivers want the same cards: which one gets them differs from boot to boot."""
    both = frozenset({"nouveau", "nvidia"})
    if both <= facts.kernel.drivers and any(card.vendor == 0x10DE for card in facts.cards):
        yield Finding(
            Severity.WARNING,
            "nouveau and nvidia are both loaded",
            "which of them gets a card differs from boot to boot, and only one of them can cut it",
            "/sys/bus/pci/drivers has both",
            _BLACKLIST,
        )


def boot_display_offered(facts: Facts) -> Iterator[Finding]:
    """A rule names the card on which the firmware and the console show their text."""
    for refusal in facts.result.refusals:
        for address in refusal.addresses:
            device = facts.snapshot.devices.get(address)
            if refusal.code == "in_use" and device is not None and device.boot_vga:
                yield Finding(
                    Severity.WARNING,
                    f"{address} is the display that the host started on, so it is not offered",
                    "its memory and its console belong to the host; a guest would find it half set up",
                    f"/sys/bus/pci/devices/{address}/boot_vga: 1",
                    "make the board's own display (BMC) the primary one in the firmware",
                    address,
                )
