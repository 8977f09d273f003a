"""Works out of a request, once for all blocks, what each provider must give, as tables over sets' numbers."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from kcloud_api.placement.request import UNSUFFIXED, Group, ResourceRequest
from kcloud_api.placement.snapshot.block import Bools
from kcloud_api.placement.snapshot.words import Words


@dataclass(frozen=True, eq=False)
class Need:
    """What one provider must give: a class of the unsuffixed group, or what these equal suffixed groups ask
    for. Tables say which numbers of trait sets and of aggregate sets will do; None: any."""

    suffixes: tuple[str, ...]
    group: Group
    amounts: tuple[tuple[str, int], ...]
    traits: Bools | None
    aggregates: tuple[Bools, ...]
    """Each of them must be true."""
    not_aggregates: Bools | None

    @property
    def is_spread(self) -> bool:
        return self.suffixes == (UNSUFFIXED,)


@dataclass(frozen=True, eq=False)
class Asked:
    request: ResourceRequest
    words: Words
    needs: tuple[Need, ...]
    traits: int
    """How many sets of traits were known."""
    spread_required: tuple[Bools, ...]

    @cached_property
    def key(self) -> object:
        """Equal for requests that the same trees can serve."""
        request = self.request
        groups = frozenset((suffix, _kind(group)) for suffix, group in request.groups.items())
        roots = (request.root_required, request.root_forbidden)
        return (groups, request.group_policy, frozenset(request.same_subtrees), roots)

    @cached_property
    def shared_totals(self) -> dict[str, int]:
        """Of classes that are asked for more than once; a single demand says more about a single provider."""
        asked = [name for group in self.request.groups.values() for name in group.resources]
        return {name: sum_ for name, sum_ in self.request.totals().items() if asked.count(name) > 1}


@lru_cache(maxsize=64)
def asked(request: ResourceRequest, words: Words, sizes: tuple[int, int]) -> Asked:
    """Once for all blocks; `sizes`: how many sets of traits and of aggregates are known."""
    unsuffixed = request.groups.get(UNSUFFIXED)
    needs = []
    spread_required: list[Bools] = []
    if unsuffixed is not None:
        needs += [
            _one_need((UNSUFFIXED,), unsuffixed, (pair,), words, sizes)
            for pair in sorted(unsuffixed.resources.items())
        ]
        if unsuffixed.resources:
            spread_required += [words.traits.having(any_of, sizes[0]) for any_of in unsuffixed.required]
    for suffixes in _equal_groups(request):
        group = request.groups[suffixes[0]]
        needs.append(_one_need(suffixes, group, tuple(sorted(group.resources.items())), words, sizes))
    return Asked(request, words, tuple(needs), sizes[0], tuple(spread_required))


def _equal_groups(request: ResourceRequest) -> list[tuple[str, ...]]:
    equal: dict[object, list[str]] = {}
    for suffix, group in request.groups.items():
        if suffix != UNSUFFIXED:
            equal.setdefault(_kind(group), []).append(suffix)
    return [tuple(suffixes) for suffixes in equal.values()]


def _kind(group: Group) -> object:
    """Equal for groups that ask for the same."""
    traits = (frozenset(group.required), group.forbidden)
    aggregates = (frozenset(group.member_of), group.not_member_of, group.in_tree)
    return (frozenset(group.resources.items()), traits, aggregates)


def _one_need(
    suffixes: tuple[str, ...],
    group: Group,
    amounts: tuple[tuple[str, int], ...],
    words: Words,
    sizes: tuple[int, int],
) -> Need:
    required = () if suffixes == (UNSUFFIXED,) else group.required
    traits = None
    if required or group.forbidden:
        traits = ~words.traits.having(group.forbidden, sizes[0])
        for any_of in required:
            traits &= words.traits.having(any_of, sizes[0])
    member_of = tuple(words.aggregates.having(any_of, sizes[1]) for any_of in group.member_of)
    barred = words.aggregates.having(group.not_member_of, sizes[1]) if group.not_member_of else None
    return Need(suffixes, group, amounts, traits, member_of, barred)
