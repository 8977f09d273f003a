"""Decides what a layout would do to a card, from what its host has reported. Pure.

The host decides it again when it is told (vfio.layout), from what it sees then: its word counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from kcloud_api.accelerator.records import SliceGroup
from kcloud_api.hosts.layouts.bodies import TYPED
from kcloud_api.hosts.layouts.matching import Chosen
from kcloud_common.wire import Ability, CardLayoutWant, CutWant, DeviceState, SliceKind

MOST_SERVERS = 20
"""That are named of one card."""
UNCLEAN = (DeviceState.SANITISING, DeviceState.QUARANTINED)


class Outcome(StrEnum):
    UNCHANGED = "unchanged"
    """The layout says of the card what the one before says."""
    STANDS = "stands"
    """It is cut so already."""
    CUT = "cut"
    """It is empty, and is cut as soon as its host hears of it."""
    WAITS = "waits"
    """It is used, or not clean: it gets no new guests, and is cut when it is empty and clean."""
    REFUSED = "refused"
    """Its kernel says that it cannot be cut so."""
    UNTOLD = "untold"
    """Its host does not report what a rule looks at."""


@dataclass(frozen=True, slots=True)
class CardNow:
    """What its host has reported of a card."""

    abilities: tuple[Ability, ...] = ()
    slices: tuple[SliceGroup, ...] = ()
    drift: str = ""
    """From the layout that counts now, as its host says it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    outcome: Outcome
    now: str
    """What it is cut into."""
    shall: str
    why: str = ""
    servers: tuple[UUID, ...] = ()
    """That hold slices of it, while that is why it waits; the first of them."""
    more_servers: int = 0


def forecast(now: CardNow, before: Chosen, after: Chosen) -> Forecast:
    """`before`: the rule that counts for the card today."""
    stands = _sorts(now.slices)
    have = _standing(stands)
    if not after.told:
        why = (
            f"its host does not report what rule {after.number} looks at: update its agent, or name the card "
            "by vendor:device"
        )
        return Forecast(Outcome.UNTOLD, have, "unknown", why)
    shall = described(after.rule)
    if before.told and _wish(before.rule) == _wish(after.rule):
        return Forecast(Outcome.UNCHANGED, have, shall, now.drift)
    if _shows(stands, after.rule) and not _follows(now, stands, before):
        return Forecast(Outcome.STANDS, have, shall)
    if why := refusal(after.rule, now.abilities):
        return Forecast(Outcome.REFUSED, have, shall, why)
    if servers := sorted({each.server_id for each in now.slices if each.server_id}):
        count = f"{len(servers)} server{'' if len(servers) == 1 else 's'}"
        held = f"in use by {count}: it is cut when {'it has' if len(servers) == 1 else 'they have'} left"
        return Forecast(
            Outcome.WAITS,
            have,
            shall,
            held,
            tuple(servers[:MOST_SERVERS]),
            max(0, len(servers) - MOST_SERVERS),
        )
    if unclean := [each for each in now.slices if each.state in UNCLEAN]:
        return Forecast(Outcome.WAITS, have, shall, _unclean(unclean))
    return Forecast(Outcome.CUT, have, shall)


def described(rule: CardLayoutWant | None) -> str:
    """`2 mdev nvidia-558, 1 mdev nvidia-560`."""
    return ", ".join(map(_cut, rule.cuts)) if rule is not None and rule.cuts else "whole"


def refusal(rule: CardLayoutWant | None, abilities: Sequence[Ability]) -> str:
    """What its kernel has said already; empty where it may be tried."""
    cuts = [cut for cut in rule.cuts if cut.kind is not SliceKind.WHOLE] if rule is not None else []
    kinds = sorted({cut.kind for cut in cuts})
    if len(kinds) > 1:
        return f"a card is cut in one way at a time, and {' and '.join(kinds)} are two: keep one of them"
    for kind in kinds:
        known = {ability.type: ability for ability in abilities if ability.kind is kind}
        if not known:
            ways = ", ".join(sorted({each.kind for each in abilities})) or "nothing"
            return f"its kernel offers no {kind} on it; it offers {ways}"
        if why := _untyped(cuts, known[""]) if "" in known else _typed(cuts, known):
            return why
    return ""


def _untyped(cuts: Sequence[CutWant], ability: Ability) -> str:
    if ability.refused and ability.kind not in TYPED:
        return ability.refused
    wanted = sum(cut.count for cut in cuts)
    if wanted > ability.most:
        return f"{wanted} of kind {ability.kind} are wanted, and an empty card has room for {ability.most}"
    return ""


def _typed(cuts: Iterable[CutWant], known: Mapping[str, Ability]) -> str:
    for cut in cuts:
        ability = known.get(cut.type)
        if ability is None:
            return f"its driver has no type {cut.type}; it has {', '.join(sorted(known))}"
        if ability.refused:
            return ability.refused
        if cut.count > ability.most:
            return f"{cut.count} of type {cut.type} are wanted, and an empty card has room for {ability.most}"
    return ""


def _unclean(slices: Iterable[SliceGroup]) -> str:
    states = Counter[str]()
    for each in slices:
        states[each.state] += each.count
    words = {
        "sanitising": "being cleaned: it is cut when they are clean",
        "quarantined": "in quarantine: `kcloud device release` them first",
    }
    return "; ".join(f"{count} of its slices {words[state]}" for state, count in sorted(states.items()))


def _sorts(slices: Iterable[SliceGroup]) -> Counter[tuple[str, str]]:
    """How many there are of each kind and type."""
    found = Counter[tuple[str, str]]()
    for each in slices:
        found[each.kind, each.type] += each.count
    return found


def _shows(stands: Counter[tuple[str, str]], rule: CardLayoutWant | None) -> bool:
    """Whether its slices show that it is cut so. What they do not show may differ: then it is cut anew."""
    if rule is not None and (rule.sharing or any(map(_more, rule.cuts))):
        return False
    return stands == _wanted(rule)


def _follows(now: CardNow, stands: Counter[tuple[str, str]], before: Chosen) -> bool:
    """Whether it is cut as the rule of today says. Then its host cuts it anew for another rule, also for one
    that only leaves out what slices do not show, or has another order."""
    return before.told and not now.drift and stands == _wanted(before.rule)


def _wanted(rule: CardLayoutWant | None) -> Counter[tuple[str, str]]:
    cuts = rule.cuts if rule is not None else ()
    return Counter({(cut.kind.value, cut.type): cut.count for cut in cuts}) or _WHOLE


_WHOLE = Counter({(SliceKind.WHOLE.value, ""): 1})
_JUST_WHOLE = CutWant(kind=SliceKind.WHOLE)


def _more(cut: CutWant) -> bool:
    return any((cut.sharing, cut.memory_mib, cut.resource_class, cut.traits))


def _wish(rule: CardLayoutWant | None) -> tuple[object, ...]:
    """Whole by name, or by no cuts: that is one thing."""
    if rule is None:
        return (), None
    return () if rule.cuts == (_JUST_WHOLE,) else rule.cuts, rule.sharing


def _standing(stands: Counter[tuple[str, str]]) -> str:
    if stands.keys() <= _WHOLE.keys():
        return "whole" if stands else "nothing that could be offered"
    return ", ".join(f"{count} {kind} {type}".rstrip() for (kind, type), count in sorted(stands.items()))


def _cut(cut: CutWant) -> str:
    if cut.kind is SliceKind.WHOLE:
        return "whole"
    memory = f" with {cut.memory_mib} MiB" if cut.memory_mib else ""
    return f"{cut.count} {cut.kind} {cut.type}".rstrip() + memory
