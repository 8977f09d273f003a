"""Walks all trees of a block through the constraints of a request: judging.py, in columns.

A need is first asked whole, which most hosts of a cloud pass or fail alike; only trees that fail it are
walked through its constraints one by one.
"""

from collections.abc import Iterator

import numpy as np

from kcloud_api.placement.constraints import ROOT_CODES, Constraint, Need, plan, trait_constraint
from kcloud_api.placement.judging import WEIGHTS
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.block import UNCOUNTABLE, Block, Bools
from kcloud_api.placement.snapshot.chains import Failing, Places, failing, having, serving, shortage

MET = -1
"""In the place of a constraint's rank: this tree meets all that single groups ask for."""


class Walk:
    """`rank`: of each tree that of the first constraint that it does not meet, or MET; `distance`: how far it
    is from serving; `able`: by need the providers that can serve it alone."""

    def __init__(self, block: Block, request: ResourceRequest) -> None:
        self.block = block
        self.request = request
        self.plan = plan(request)
        last = len(self.plan.constraints)
        self.rank = np.full(block.trees, last, dtype=np.int64)
        self.distance = np.zeros(block.trees, dtype=np.int64)
        self.able: dict[Need, Places] = {}
        self._served: dict[Need, Bools] = {}
        for found in self._all():
            if found.trees.any():
                self._note(found)
        self.rank[self.rank == last] = MET

    def _note(self, found: Failing) -> None:
        trees = found.trees
        self.rank[trees] = np.minimum(self.rank[trees], self.plan.ranks[found.constraint])
        self.distance[trees] += 1000 * WEIGHTS[found.constraint.code]
        if found.lacking is not None:
            self.distance[trees] += found.lacking[trees]

    def _all(self) -> Iterator[Failing]:
        yield from self._roots()
        yield from self._in_trees()
        for need in self.plan.needs:
            self.able[need] = serving(self.block, need, fitting=True)
            self._served[need] = self.block.trees_of(self.able[need])
            left = ~self._served[need]
            if left.any():
                yield from failing(self.block, need, left)
        if self.plan.collective:
            yield from self._collective()
        yield from self._totals()

    def _roots(self) -> Iterator[Failing]:
        traits = self.block.traits[self.block.starts[:-1]]
        named = np.zeros(self.block.trees, dtype=np.bool_)
        for trait, code in ROOT_CODES.items():
            if trait in self.request.root_forbidden:
                present = having(self.block, [trait])[traits]
                yield Failing(Constraint(code), present & ~named)
                named |= present
        for trait in self.request.root_required:
            missing = ~having(self.block, [trait])[traits]
            yield Failing(Constraint("root_trait_missing", names=(trait,)), missing)
        for trait in self.request.root_forbidden - ROOT_CODES.keys():
            present = having(self.block, [trait])[traits]
            yield Failing(Constraint("root_trait_forbidden", names=(trait,)), present)

    def _in_trees(self) -> Iterator[Failing]:
        for suffix, group in self.request.groups.items():
            if group.in_tree is not None:
                others = np.ones(self.block.trees, dtype=np.bool_)
                place = self.block.find(group.in_tree.bytes)
                if place is not None:
                    others[self.block.tree[place]] = False
                yield Failing(Constraint("not_in_tree", (suffix,), names=(str(group.in_tree),)), others)

    def _collective(self) -> Iterator[Failing]:
        """Traits that the providers of the unsuffixed group are to have together."""
        spread = [need for need in self.plan.needs if need.is_spread]
        all_served = np.logical_and.reduce([self._served[need] for need in spread])
        reached = np.concatenate([serving(self.block, need, fitting=False) for need in spread])
        chosen = np.concatenate([self.able[need] for need in spread])
        for any_of in self.plan.collective:
            table = having(self.block, any_of)
            having_it = reached[table[self.block.traits[reached]]]
            missing = self.block.trees_of(reached) & ~self.block.trees_of(having_it)
            yield Failing(trait_constraint("trait_missing", any_of), missing)
            taken = all_served & ~self.block.trees_of(chosen[table[self.block.traits[chosen]]])
            yield Failing(trait_constraint("trait_taken", any_of), taken & ~missing)

    def _totals(self) -> Iterator[Failing]:
        """What several groups ask for, where each of them is served."""
        for name, amount, groups in self.plan.totals:
            asking = [need for need in self.plan.needs if not set(groups).isdisjoint(need.groups)]
            left = np.logical_and.reduce([self._served[need] for need in asking])
            stocks = self.block.stocks.get(name)
            if stocks is None or not left.any():
                continue
            asked = Constraint("", groups, name, amount)
            rows = np.arange(len(stocks.provider))
            least = min(amount, UNCOUNTABLE)
            for code, parts in (
                ("resource_class_too_small", stocks.free + stocks.used),
                ("resource_class_short", stocks.free),
            ):
                short = shortage(self.block, stocks, rows, parts, least)
                yield Failing(asked.named(code), left & (short > 0), short * 1000 // least)
                left = left & (short <= 0)
