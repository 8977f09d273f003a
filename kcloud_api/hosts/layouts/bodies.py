"""What a layout may say: who it is for, and cuts that at least one back end could make. Pure."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kcloud_api.placement.names import is_resource_class, is_trait
from kcloud_common.errors import BadRequest
from kcloud_common.wire import CardLayoutWant, CutWant, Sharing, SharingPolicy, SliceKind

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$")]
LARGEST_GROUP = 1000
MOST_CUTS = 256
"""Of one card: more types than any driver has."""
MATCH = re.compile(
    r"known|[0-9a-f]{4}:[0-9a-f]{4}|class:([0-9a-f]{4}|[0-9a-f]{6})|"
    r"(address:)?[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
)
HOSTS_OWN = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
TYPED = frozenset({SliceKind.MDEV, SliceKind.VENDOR_VF})
"""Kinds of which a card has several types."""
SHARED = TYPED | {SliceKind.XE_VF}
"""Kinds that are shared in time."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(Strict):
    """Which hosts a layout is for. One for a host goes before one for a group, that before one for all."""

    kind: Literal["host", "group", "all"]
    hosts: tuple[HostName, ...] = Field(default=(), max_length=LARGEST_GROUP)
    """By name, whether they are there yet or not: one for `host`, some for `group`, none for `all`."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        right = {"host": len(self.hosts) == 1, "group": bool(self.hosts), "all": not self.hosts}
        if not right[self.kind]:
            words = {"host": "exactly one host", "group": "at least one host", "all": "no hosts"}
            raise ValueError(f"a target of kind {self.kind!r} names {words[self.kind]}")
        if len(set(self.hosts)) != len(self.hosts):
            raise ValueError("a host is named twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """As they are kept: one that is empty for all hosts."""
        return self.hosts or ("",)


class LayoutBody(Strict):
    name: str = Field(min_length=1, max_length=255)
    target: Target
    cards: tuple[CardLayoutWant, ...] = Field(max_length=256)


class LayoutChange(Strict):
    """What is left out stays as it is."""

    version: int | None = None
    """That the change rests on: refused when there is a newer one."""
    name: str | None = Field(default=None, min_length=1, max_length=255)
    target: Target | None = None
    cards: tuple[CardLayoutWant, ...] | None = Field(default=None, max_length=256)


class LayoutTrial(LayoutChange):
    """What would be asked of making a layout, or of changing the one with this id."""

    layout_id: UUID | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.layout_id is None and None in (self.name, self.target, self.cards):
            raise ValueError("without a layout_id it needs name, target and cards")
        return self


def check(cards: Sequence[CardLayoutWant]) -> None:
    """BadRequest names the field, and says what is wrong with it."""
    seen: set[str] = set()
    for place, card in enumerate(cards):
        where = f"cards.{place}"
        match = card.match.strip().lower()
        if not MATCH.fullmatch(match):
            raise wrong(
                f"{where}.match",
                "want vendor:device (10de:26b9), class:1200, address:0000:41:00.0, or known",
            )
        if match.removeprefix("address:") in seen:
            raise wrong(f"{where}.match", f"{card.match!r} stands there twice")
        seen.add(match.removeprefix("address:"))
        _check_cuts(where, card)


def _check_cuts(where: str, card: CardLayoutWant) -> None:
    if len(card.cuts) > MOST_CUTS:
        raise wrong(f"{where}.cuts", f"a card has {MOST_CUTS} cuts at most")
    sorts: set[tuple[SliceKind, str]] = set()
    for place, cut in enumerate(card.cuts):
        at = f"{where}.cuts.{place}"
        if (cut.kind, cut.type) in sorts:
            raise wrong(at, "the card has a cut of this kind and type already: raise its count")
        sorts.add((cut.kind, cut.type))
        if cut.kind is SliceKind.WHOLE and (cut.count != 1 or len(card.cuts) > 1):
            raise wrong(f"{at}.kind", "a whole card is one slice, and no other goes with it")
        if bool(cut.type) != (cut.kind in TYPED):
            need = "needs a type" if cut.kind in TYPED else "has no types"
            raise wrong(f"{at}.type", f"a slice of kind {cut.kind} {need}")
        if cut.memory_mib is not None and cut.kind is not SliceKind.XE_VF:
            raise wrong(f"{at}.memory_mib", f"a slice of kind {cut.kind} has the memory that its type says")
        _check_names(at, cut)
        _check_sharing(f"{at}.sharing", cut.kind, merged(card.sharing, cut.sharing))
    if not card.cuts and card.sharing is not None:
        raise wrong(f"{where}.sharing", "a whole card is not shared")
    _check_fixed(where, card)


def _check_names(at: str, cut: CutWant) -> None:
    name = cut.resource_class
    if name is not None and (not is_resource_class(name) or name in HOSTS_OWN):
        raise wrong(f"{at}.resource_class", f"{name!r} is no resource class that a device can have")
    for trait in cut.traits:
        if not is_trait(trait):
            raise wrong(f"{at}.traits", f"{trait!r} is no trait")


def _check_sharing(at: str, kind: SliceKind, sharing: Sharing) -> None:
    """By what the back ends can set; what one card's driver cannot, its host says."""
    if sharing == Sharing():
        return
    if kind not in SHARED:
        raise wrong(at, f"a slice of kind {kind} is not shared in time")
    if kind is SliceKind.XE_VF and sharing.policy not in (None, SharingPolicy.BEST_EFFORT):
        raise wrong(f"{at}.policy", "no back end has it for slices of kind xe-vf: these lend unused time")
    if kind in TYPED and sharing.preempt_timeout_us is not None:
        raise wrong(f"{at}.preempt_timeout_us", f"no back end has one for slices of kind {kind}")
    if kind in TYPED and sharing.weight is not None:
        raise wrong(f"{at}.weight", f"no back end has weights for slices of kind {kind}")
    if kind in TYPED and sharing.quantum_us is not None and sharing.policy is None:
        raise wrong(f"{at}.quantum_us", "a quantum needs a policy: the driver sets both at once")


def merged(card: Sharing | None, cut: Sharing | None) -> Sharing:
    """The cut's own words, and the card's where it has none."""
    said = (each.model_dump(exclude_none=True) for each in (card, cut) if each is not None)
    return Sharing.model_validate({name: value for words in said for name, value in words.items()})


def _check_fixed(where: str, card: CardLayoutWant) -> None:
    shared = [merged(card.sharing, cut.sharing) for cut in card.cuts]
    fixed = any(each.policy is SharingPolicy.FIXED for each in shared)
    if fixed and len(card.cuts) > 1:
        raise wrong(f"{where}.cuts", "slices of different types cannot have fixed shares")


def wrong(field: str, why: str) -> BadRequest:
    return BadRequest(f"{field}: {why}.", field=field)
