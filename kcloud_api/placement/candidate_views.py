"""Renders allocation candidates; what an older client does not know is left out. Pure.

A thousand candidates may come from a thousand trees, so what is said of a tree's providers is made once for
as long as the tree is kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import orjson

from kcloud_api.placement.request import ResourceRequest
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
"""Of a tree's notes: its part of the newest version's summaries, as JSON."""


def body(found: Iterable[Way], request: ResourceRequest, minor: int) -> bytes:
    """The whole answer. Consumes `found` as it goes."""
    requests: list[Json] = []
    shown: dict[UUID, Tree] = {}
    used: set[UUID] = set()
    for way in found:
        allocations = way.allocations()
        requests.append(_allocation_request(way, allocations, minor))
        for tree in _trees_used(way, allocations):
            shown[tree.root.id] = tree
        if request.flat:
            used.update(allocations)
    classes = frozenset(request.totals()) if minor < SUMMARY_ALL_CLASSES else None
    only = used if request.flat else None
    summaries = (_summaries(tree, classes, only, minor) for tree in shown.values())
    return b'{"allocation_requests":%b,"provider_summaries":{%b}}' % (
        orjson.dumps(requests),
        b",".join(each for each in summaries if each),
    )


def _allocation_request(way: Way, allocations: Mapping[UUID, Mapping[str, int]], minor: int) -> Json:
    if minor < ALLOCATIONS_BY_PROVIDER:
        return {
            "allocations": [
                {"resource_provider": {"uuid": str(provider_id)}, "resources": amounts}
                for provider_id, amounts in allocations.items()
            ]
        }
    shown: Json = {
        "allocations": {
            str(provider_id): {"resources": amounts} for provider_id, amounts in allocations.items()
        }
    }
    if minor >= MAPPINGS:
        # orjson writes UUIDs itself, though not as keys.
        shown["mappings"] = way.mappings()
    return shown


def _trees_used(way: Way, allocations: Mapping[UUID, object]) -> Iterable[Tree]:
    """Those that give something: not always the tree that others share with."""
    if not way.tree.sharing:
        return (way.tree,)
    return [
        tree
        for tree in (way.tree, *way.tree.sharing)
        if any(provider.id in allocations for provider in tree.providers)
    ]


def _summaries(tree: Tree, classes: frozenset[str] | None, only: set[UUID] | None, minor: int) -> bytes:
    """`"id":{...},"id":{...}` of all providers of the tree, or of those in `only`."""
    newest = minor >= SUMMARY_PARENTS
    if newest and isinstance(known := tree.notes.get(SUMMARY), bytes):
        return known
    root_id = str(tree.root.id)
    providers = [p for p in tree.providers if only is None or p.id in only]
    made = {str(provider.id): _summary(provider, root_id, classes, minor) for provider in providers}
    text = orjson.dumps(made)[1:-1]
    if newest:
        tree.notes[SUMMARY] = text
    return text


def is_custom_then_name(trait: str) -> tuple[bool, str]:
    """Clients see standard traits first."""
    return trait.startswith("CUSTOM_"), trait


def _summary(provider: Provider, root_id: str, classes: frozenset[str] | None, minor: int) -> Json:
    shown: Json = {
        "resources": {
            name: {"capacity": stock.capacity, "used": stock.used}
            for name, stock in provider.stocks.items()
            if classes is None or name in classes
        }
    }
    if minor >= SUMMARY_TRAITS:
        shown["traits"] = sorted(provider.traits, key=is_custom_then_name)
    if minor >= SUMMARY_PARENTS:
        shown["parent_provider_uuid"] = provider.parent_id
        shown["root_provider_uuid"] = root_id
    return shown
