"""Fills the slots of a request one after another, going back where that does not work out. Pure.

It never tries all permutations of like providers before it says no: a state from which the remaining slots
could not be filled is remembered by what matters for them (how many providers of which kind are taken, and
how far), so that it is given up at once when it comes again with other providers of the same kinds.
"""

from collections.abc import Iterator

from kcloud_api.placement.ground import Ground, Options, has_traits
from kcloud_api.placement.matching import can_all_be_matched
from kcloud_api.placement.request import Effort
from kcloud_api.placement.slots import Plan, Slot
from kcloud_api.placement.subtrees import Subtrees
from kcloud_common.errors import BadRequest

FIRST_DOUBTS = 2
"""After so many dead ends, and no way found, it pays to ask whether each subtree can be served at all."""
MANY_DEAD_ENDS = 16
"""After so many it pays to ask, before going on, whether the slots that want a provider each can get one."""
MOST_DEAD_ENDS = 20_000
"""On one tree, a second's work or two. Many different amounts of one class over several providers are a
bin packing: no search is quick with all of them, and each dead end is remembered."""

Key = tuple[object, ...]


class TooHard(BadRequest):
    """Whether the request fits was not found out with as much work as one request may cause."""

    code = "placement.too_hard"


def search(
    plan: Plan, ground: Ground, options: list[Options], effort: Effort | None = None
) -> Iterator[tuple[int, ...]]:
    """For every way the places of the providers that fill the slots. `options`: by slot. Raises TooHard after
    MOST_DEAD_ENDS, or when there is no `effort` left."""
    if not _has_enough(plan, ground, options):
        return
    if plan.isolated and not can_all_be_matched([set(options[at]) for at in _isolated(plan, 0)]):
        return
    yield from _Search(plan, ground, options, effort).run()


def _isolated(plan: Plan, start: int) -> list[int]:
    return [at for at in range(start, len(plan.slots)) if plan.slots[at].isolated]


def _has_enough(plan: Plan, ground: Ground, options: list[Options]) -> bool:
    """For each class and each amount: are there as many pieces of that size as slots that ask for as much?
    This says no to what would take long to find out by trying."""
    for name, amounts in plan.contended:
        places = {
            at for slot, each in zip(plan.slots, options, strict=True) if _asks(slot, name) for at in each
        }
        most = [
            ground.providers[at].stocks[name].most for at in places if name in ground.providers[at].stocks
        ]
        for count, amount in enumerate(amounts, 1):
            if sum(each // amount for each in most) < count:
                return False
        if sum(most) < sum(amounts):
            return False
    return True


def _asks(slot: Slot, name: str) -> bool:
    return any(name == asked for asked, _ in slot.contended)


class _Search:
    """The state while slots are filled: taken amounts, isolated providers, subtrees."""

    def __init__(self, plan: Plan, ground: Ground, options: list[Options], effort: Effort | None) -> None:
        self._effort = effort
        self._plan = plan
        self._ground = ground
        self._options = options
        self._chosen: list[int] = []
        self._taken: dict[tuple[int, str], int] = {}
        self._busy: set[int] = set()
        self._flat = plan.flat
        self._roots: list[int] = ground.roots() if plan.flat else []
        self._subtrees = Subtrees(plan, ground, options) if plan.subtrees else None
        self._failed: set[Key] = set()
        self._kinds: dict[int, int] = {}
        self._numbers: dict[Key, int] = {}

    def run(self) -> Iterator[tuple[int, ...]]:
        last = len(self._plan.slots) - 1
        stack = [iter(self._options[0])]
        found = 0
        found_before = [0]
        while stack:
            depth = len(stack) - 1
            if not self._fill_next(stack[-1], depth):
                stack.pop()
                if found == found_before.pop():
                    self._fail(self._key(depth))
                    if not found and len(self._failed) == FIRST_DOUBTS and not self._can_be_served():
                        return
                if stack:
                    self._empty(depth - 1)
            elif depth == last:
                found += 1
                yield tuple(self._chosen)
                self._empty(depth)
            elif self._failed and self._is_hopeless(depth + 1):
                self._empty(depth)
            else:
                stack.append(iter(self._options[depth + 1]))
                found_before.append(found)

    def _fail(self, key: Key) -> None:
        self._failed.add(key)
        if self._effort is not None:
            self._effort.left -= 1
        if len(self._failed) > MOST_DEAD_ENDS or (self._effort is not None and self._effort.left < 0):
            raise TooHard(
                "It takes too long to find out where this request fits: ask for fewer groups with "
                "different amounts of the same resource class."
            )

    def _fill_next(self, places: Iterator[int], depth: int) -> bool:
        """Fill the slot with the next provider that it can have now."""
        slot = self._plan.slots[depth]
        for at in places:
            if self._may(slot, depth, at):
                self._fill(slot, depth, at)
                return True
        return False

    def _may(self, slot: Slot, depth: int, at: int) -> bool:
        if slot.isolated and at in self._busy:
            return False
        for name, amount in slot.contended:
            taken = self._taken.get((at, name))
            if taken and taken + amount > self._ground.providers[at].stocks[name].most:
                return False
        if self._flat and any(
            at != other and self._roots[at] == self._roots[other] for other in self._chosen
        ):
            return False
        if depth == self._plan.spread - 1 and not self._traits_are_met(at):
            return False
        return self._subtrees is None or self._subtrees.may(slot, depth, at)

    def _traits_are_met(self, at: int) -> bool:
        if not self._plan.together:
            return True
        providers = (self._ground.providers[other] for other in (*self._chosen, at))
        return has_traits(frozenset().union(*(p.traits for p in providers)), self._plan.together)

    def _fill(self, slot: Slot, depth: int, at: int) -> None:
        self._chosen.append(at)
        if slot.isolated:
            self._busy.add(at)
        for name, amount in slot.contended:
            self._taken[at, name] = self._taken.get((at, name), 0) + amount
        if self._subtrees is not None:
            self._subtrees.push(slot)

    def _empty(self, depth: int) -> None:
        slot = self._plan.slots[depth]
        at = self._chosen.pop()
        if slot.isolated:
            self._busy.discard(at)
        for name, amount in slot.contended:
            self._taken[at, name] -= amount
        if self._subtrees is not None:
            self._subtrees.pop(slot)

    def _can_be_served(self) -> bool:
        return self._subtrees is None or self._subtrees.can_be_served()

    def _is_hopeless(self, depth: int) -> bool:
        if self._key(depth) in self._failed:
            return True
        if not self._plan.isolated or len(self._failed) < MANY_DEAD_ENDS:
            return False
        remaining = [set(self._options[at]) - self._busy for at in _isolated(self._plan, depth)]
        return not can_all_be_matched(remaining)

    def _key(self, depth: int) -> Key:
        """Equal for states from which the slots from `depth` on can be filled in like ways."""
        touched: dict[int, list[tuple[str, int]]] = {at: [] for at in self._busy}
        for (at, name), amount in self._taken.items():
            # Of an isolated one nothing more can be taken: the unsuffixed group comes first.
            if amount and at not in self._busy:
                touched.setdefault(at, []).append((name, amount))
        return (
            depth,
            tuple(
                sorted((self._kind(at), at in self._busy, *sorted(taken)) for at, taken in touched.items())
            ),
            self._traits_so_far() if depth < self._plan.spread else None,
            frozenset((self._roots[at], self._kind(at)) for at in self._chosen) if self._flat else None,
            self._subtrees.key() if self._subtrees is not None else None,
        )

    def _traits_so_far(self) -> tuple[bool, ...]:
        held = frozenset().union(*(self._ground.providers[at].traits for at in self._chosen))
        return tuple(not any_of.isdisjoint(held) for any_of in self._plan.together)

    def _kind(self, at: int) -> int:
        """Providers of one kind can fill the same slots, as far, and lie alike."""
        if at not in self._kinds:
            provider = self._ground.providers[at]
            stocks = provider.stocks
            said = (
                tuple(at in each for each in self._options),
                tuple(
                    min(stocks[name].most, sum(amounts)) if name in stocks else 0
                    for name, amounts in self._plan.contended
                ),
                tuple(not any_of.isdisjoint(provider.traits) for any_of in self._plan.together),
                self._roots[at] if self._flat else None,
                self._subtrees.kind(at) if self._subtrees is not None else None,
            )
            self._kinds[at] = self._numbers.setdefault(said, len(self._numbers))
        return self._kinds[at]
