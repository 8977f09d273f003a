"""Decides which rule of a layout counts for a card, and says of rules that fit none how near they came. Pure.

Hosts decide it for themselves (vfio.layout, vfio.rules), and their word counts. This is the same decision on
what they have reported, for whoever asks before hosts are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from kcloud_common.wire import CardLayoutWant


@dataclass(frozen=True, slots=True)
class SeenCard:
    """What rules look at."""

    name: str
    address: str
    vendor_id: str
    product_id: str
    model: str = ""
    class_code: str = ""
    """Empty: its host does not say."""
    known: bool | None = None
    """Whether its host's catalogue has it; None: its host does not say."""

    @property
    def ids(self) -> str:
        return f"{self.vendor_id}:{self.product_id}"

    @property
    def described(self) -> str:
        facts = [self.model, self.ids, f"class {self.class_code}" if self.class_code else ""]
        return f"{self.name} ({', '.join(filter(None, facts))})"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rule that counts for a card. None and `told`: the card is whole, for none fits it."""

    rule: CardLayoutWant | None = None
    number: int = 0
    """From 1; of the rule, or of the first of which nobody can say whether it fits."""
    told: bool = True
    """False: the card's host does not report what the rule looks at."""


@dataclass(frozen=True, slots=True)
class IdleRule:
    """A rule that fits no card of one host."""

    number: int
    """From 1."""
    match: str
    words: str
    """With the card that is nearest, and how it differs."""


def normal(match: str) -> str:
    """As hosts read it."""
    return match.strip().lower().removeprefix("address:")


def fits(match: str, card: SeenCard) -> bool | None:
    """None: its host does not say what the rule looks at."""
    rule = normal(match)
    if rule == "known":
        return card.known
    if rule.startswith("class:"):
        return card.class_code.startswith(rule.removeprefix("class:")) if card.class_code else None
    return rule == (card.ids if rule.count(":") == 1 else card.address)


def chosen(rules: Sequence[CardLayoutWant], card: SeenCard) -> Chosen:
    """The first that fits counts."""
    for number, rule in enumerate(rules, start=1):
        verdict = fits(rule.match, card)
        if verdict is not False:
            return Chosen(rule if verdict else None, number, bool(verdict))
    return Chosen()


def idle_rules(rules: Sequence[CardLayoutWant], cards: Sequence[SeenCard]) -> tuple[IdleRule, ...]:
    """Of one host: the rules that fit none of its cards, each with the card that is nearest to it."""
    return tuple(
        IdleRule(
            number,
            rule.match.strip(),
            f"no card of this host fits rule {number} (match {rule.match.strip()}): "
            f"{_nearest(rule.match, cards)}",
        )
        for number, rule in enumerate(rules, start=1)
        if all(fits(rule.match, card) is False for card in cards)
    )


def _nearest(match: str, cards: Sequence[SeenCard]) -> str:
    if not cards:
        return "it offers no card at all"
    rule = normal(match)
    if rule == "known":
        return f"its catalogue knows none of its {len(cards)}; nearest is {cards[0].described}"
    if rule.startswith("class:"):
        code = rule.removeprefix("class:")
        card = max(cards, key=lambda card: _alike(card.class_code, code))
        return f"nearest is {card.described}, of class {card.class_code} and not {code}"
    if rule.count(":") > 1:
        card = max(cards, key=lambda card: _alike(card.address, rule))
        return f"nearest is {card.described}, at {card.address} and not at {rule}"
    vendor, _, product = rule.partition(":")
    card = max(cards, key=lambda card: 2 * (card.vendor_id == vendor) + (card.product_id == product))
    differs = [
        f"{what} {has} and not {wants}"
        for what, has, wants in (("vendor", card.vendor_id, vendor), ("device", card.product_id, product))
        if has != wants
    ]
    return f"nearest is {card.described}, with {', '.join(differs)}"


def _alike(one: str, other: str) -> int:
    """Characters that they begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
