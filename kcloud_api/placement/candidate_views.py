"""Renders allocation candidates; what an older client does not know is left out. Pure.

A thousand candidates may come from a thousand trees, and a hundred thousand from fewer: each is written as
text at once, put together from pieces, and what is said of a tree's providers is kept with the tree.
"""

from collections.abc import Iterable
from typing import Any, cast

import orjson

from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.slots import Slot
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import Way

Json = dict[str, Any]

ALLOCATIONS_BY_PROVIDER = 12
SUMMARY_TRAITS = 17
SUMMARY_ALL_CLASSES = 27
SUMMARY_PARENTS = 29
MAPPINGS = 34
"""Minor versions from which answers are made so, or show this."""
SUMMARY = "candidate_views.summary"
IDS = "candidate_views.ids"
"""Of a tree's notes: its part of the newest version's summaries, and its providers' ids, as text."""


def body(found: Iterable[Way], request: ResourceRequest, minor: int) -> bytes:
    """The whole answer. Consumes `found` as it goes."""
    requests: list[str] = []
    shown: dict[int, Tree] = {}
    used: set[str] = set()
    pen = _Pen(minor)
    for way in found:
        requests.append(pen.written(way))
        if request.flat:
            used.update(pen.givers)
        for tree in _trees_used(way):
            shown[id(tree.providers)] = tree
    classes = frozenset(request.totals()) if minor < SUMMARY_ALL_CLASSES else None
    only = used if request.flat else None
    summaries = (_summaries(tree, classes, only, minor) for tree in shown.values())
    return b'{"allocation_requests":[%b],"provider_summaries":{%b}}' % (
        ",".join(requests).encode(),
        b",".join(each for each in summaries if each),
    )


class _Pen:
    """Writes the ways of one answer. Ways of one ground come after each other."""

    def __init__(self, minor: int) -> None:
        self.givers: list[str] = []
        """Who gives something in the way that was written last."""
        self._minor = minor
        self._tree: Tree | None = None
        self._ids: dict[int, str] = {}
        """Of providers, told apart as objects: comparing UUIDs would cost more than all the rest."""
        self._amounts: dict[tuple[int, ...], str] = {}

    def written(self, way: Way) -> str:
        if way.tree is not self._tree:
            self._tree = way.tree
            trees = (way.tree, *way.tree.sharing)
            self._ids = {key: text for tree in trees for key, text in _ids(tree)}
        given: dict[int, tuple[int, ...]] = {}
        for number, provider in enumerate(way.providers):
            if way.slots[number].amounts:
                key = id(provider)
                given[key] = (*given.get(key, ()), number)
        self.givers = [self._ids[key] for key in given]
        resources = [self._given(way.slots, numbers) for numbers in given.values()]
        pairs = zip(self.givers, resources, strict=True)
        if self._minor < ALLOCATIONS_BY_PROVIDER:
            listed = (f'{{"resource_provider":{{"uuid":"{id_}"}},"resources":{text}}}' for id_, text in pairs)
            return f'{{"allocations":[{",".join(listed)}]}}'
        allocations = ",".join([f'"{id_}":{{"resources":{text}}}' for id_, text in pairs])
        if self._minor < MAPPINGS:
            return f'{{"allocations":{{{allocations}}}}}'
        return f'{{"allocations":{{{allocations}}},"mappings":{{{self._mappings(way)}}}}}'

    def _given(self, slots: tuple[Slot, ...], numbers: tuple[int, ...]) -> str:
        """What one provider gives that fills these slots."""
        if numbers not in self._amounts:
            sums: dict[str, int] = {}
            for number in numbers:
                for name, amount in slots[number].amounts:
                    sums[name] = sums.get(name, 0) + amount
            self._amounts[numbers] = orjson.dumps(sums).decode()
        return self._amounts[numbers]

    def _mappings(self, way: Way) -> str:
        by_suffix: dict[str, list[str]] = {}
        for slot, provider in zip(way.slots, way.providers, strict=True):
            by = by_suffix.setdefault(slot.suffix, [])
            text = self._ids[id(provider)]
            if text not in by:
                by.append(text)
        # A suffix has letters, digits, "_" and "-": nothing that JSON would have to escape.
        return ",".join([f'"{suffix}":["{_between.join(by)}"]' for suffix, by in by_suffix.items()])


_between = '","'


def _ids(tree: Tree) -> Iterable[tuple[int, str]]:
    texts = tree.notes.get(IDS)
    if texts is None:
        texts = tree.notes[IDS] = [str(provider.id) for provider in tree.providers]
    return zip(map(id, tree.providers), cast(list[str], texts), strict=True)


def _trees_used(way: Way) -> Iterable[Tree]:
    """Those that give something: not always the tree that others share with."""
    if not way.tree.sharing:
        return (way.tree,)
    pairs = zip(way.slots, way.providers, strict=True)
    giving = {provider.id for slot, provider in pairs if slot.amounts}
    return [
        tree
        for tree in (way.tree, *way.tree.sharing)
        if any(provider.id in giving for provider in tree.providers)
    ]


def _summaries(tree: Tree, classes: frozenset[str] | None, only: set[str] | None, minor: int) -> bytes:
    """`"id":{...},"id":{...}` of all providers of the tree, or of those in `only`."""
    newest = minor >= SUMMARY_PARENTS
    if newest and isinstance(known := tree.notes.get(SUMMARY), bytes):
        return known
    root_id = str(tree.root.id)
    named = ((str(provider.id), provider) for provider in tree.providers)
    made = {
        id_: _summary(provider, root_id, classes, minor)
        for id_, provider in named
        if only is None or id_ in only
    }
    text = orjson.dumps(made)[1:-1]
    if newest:
        tree.notes[SUMMARY] = text
    return text


def _summary(provider: Provider, root_id: str, classes: frozenset[str] | None, minor: int) -> Json:
    shown: Json = {
        "resources": {
            name: {"capacity": stock.capacity, "used": stock.used}
            for name, stock in provider.stocks.items()
            if classes is None or name in classes
        }
    }
    if minor >= SUMMARY_TRAITS:
        shown["traits"] = sorted(provider.traits, key=_standard_first)
    if minor >= SUMMARY_PARENTS:
        shown["parent_provider_uuid"] = provider.parent_id
        shown["root_provider_uuid"] = root_id
    return shown


def _standard_first(trait: str) -> tuple[bool, str]:
    return trait.startswith("CUSTOM_"), trait
