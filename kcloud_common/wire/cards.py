"""Cards: how an operator wants them cut, what each can be cut into, and how far that stands."""

from typing import Annotated

from pydantic import AfterValidator, Field

from kcloud_common.wire.base import Amount, Wire, Word, Words
from kcloud_common.wire.slices import Sharing, SharingPolicy, SliceKind


class CutWant(Wire):
    """`count` slices of one sort on a card."""

    kind: SliceKind
    type: str = Field(default="", max_length=128)
    """Of an mdev (`nvidia-558`) or a vendor's VF (`1145`); empty where there is one sort only."""
    count: int = Field(default=1, ge=1, le=4096)
    resource_class: str | None = None
    """None: the catalogue's for this kind of card."""
    traits: tuple[str, ...] = ()
    memory_mib: int | None = Field(default=None, ge=1, lt=2**31)
    """Quota of a slice where the back end takes one (xe's vram_quota)."""
    sharing: Sharing | None = None


class CardLayoutWant(Wire):
    """How the cards that `match` fits are cut. Without cuts: whole. The first that fits a card counts."""

    match: str
    """A rule in the words of `[devices] offer`: `10de:26b9`, `address:0000:41:00.0`, `known`."""
    cuts: tuple[CutWant, ...] = ()
    sharing: Sharing | None = None
    """For all slices of the card."""


class LayoutWant(Wire):
    """The desired partition layout of a host. `version` is echoed by the report once it stands."""

    version: str = Field(max_length=128)
    cards: tuple[CardLayoutWant, ...] = ()


class Ability(Wire):
    """One way in which a card can be cut, as its kernel says."""

    kind: SliceKind
    type: Word = ""
    name: Word = ""
    """What the driver calls the type: `NVIDIA L40S-12Q`."""
    most: Amount
    """Slices of this sort on an empty card."""
    memory_mib: Amount | None = None
    policies: tuple[SharingPolicy, ...] = ()
    quantum: bool = False
    """Whether quanta can be set."""
    refused: Words = ""
    """Why it can't be used here, although the card has it; empty when it can."""


class CardReport(Wire):
    """One card: what it can be cut into, and how the layout stands on it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")
    address: Word
    vendor_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    model: Word = ""
    serial: Word = ""
    memory_mib: Amount | None = None
    abilities: Annotated[tuple[Ability, ...], AfterValidator(lambda found: found[:256])] = ()
    class_code: str = Field(default="", pattern=r"^([0-9a-f]{6})?$")
    """As PCI has it: what rules of the form `class:1200` look at. Empty: an agent that does not say it."""
    known: bool | None = None
    """Whether the host's catalogue knows it for an accelerator: what the rule `known` looks at."""
    drift: Words = ""
    """How the card differs from the layout, and why; empty when it stands."""
