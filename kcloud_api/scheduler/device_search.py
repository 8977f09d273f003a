"""Works out the cheapest way to take devices of several kinds in a host's tree, for any criteria. Pure.

The best of all possible ways is found, as an exhaustive search would find it, without looking at each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from uuid import UUID

from kcloud_api.scheduler.device_tree import Branch, Device, Level

MOST_STATES = 512
"""Of a search, at each place in the tree: N devices of one kind make N + 1, nine kinds of one each 512."""

Criteria = Callable[[Level, int, int, int], tuple[int, ...]]
"""What it costs to take so many devices below one node or switch and leave so many free there, with so many
of the same kind in use. The costs of all places that a choice touches are added, criterion by criterion."""

_FIELD = 32
"""Bits of one criterion."""
_DIGIT = MOST_STATES.bit_length()
"""Bits of the number of one kind; the highest is left free for the carry that says `too many`."""
_MOST = MOST_STATES - 1


@dataclass(frozen=True, slots=True)
class Kind:
    """So many like devices. `free` can serve now; `suited` could if nobody else held them."""

    count: int
    free: frozenset[UUID]
    suited: frozenset[UUID] = frozenset()


def is_tractable(counts: Sequence[int]) -> bool:
    """Whether a search for kinds of these counts ends soon."""
    return prod(count + 1 for count in counts) <= MOST_STATES


class Search:
    """Works out, from the devices upwards, the cheapest way to take each possible number of each kind.

    Numbers of all kinds together are one integer, a digit for each kind. A cost is one integer too: the
    criteria, the bandwidth, a bit for each device taken, and for each kind a bit for each device that serves
    it. Less is better, so the bits count negative: of equal choices that with the lowest address, the highest
    bit, wins; and the choice can be read from its cost.

    Where NUMA nodes are limited, one more digit of the whole host's numbers counts those that are touched.
    """

    def __init__(
        self, tree: Branch, kinds: tuple[Kind, ...], criteria: Criteria, most_nodes: int | None = None
    ) -> None:
        self.tree = tree
        self._most_nodes = most_nodes
        self._one_node = 1 << _DIGIT * len(kinds)
        self._free = frozenset[UUID]().union(*(kind.free for kind in kinds))
        self.wanted = sum(kind.count << _DIGIT * index for index, kind in enumerate(kinds))
        self.tables: dict[Branch, dict[int, int]] = {}
        """For the host and each node and switch: cost by the numbers taken there."""
        self.count = sum(kind.count for kind in kinds)
        self._kinds = kinds
        self._criteria = criteria
        self._suited = self._free.union(*(kind.suited for kind in kinds))
        self._bits = {device.id: 1 << place for place, device in enumerate(reversed(tree.devices))}
        self._parents: dict[Branch, Branch] = {}
        self._standing: dict[Branch, tuple[int, int]] = {}
        # A number grown past what is wanted carries into its digit's highest bit.
        self._room = sum(_MOST - kind.count << _DIGIT * index for index, kind in enumerate(kinds))
        self._carries = sum(_MOST + 1 << _DIGIT * index for index in range(len(kinds)))
        if most_nodes is not None:
            self._room += (_MOST - most_nodes) * self._one_node
            self._carries += (_MOST + 1) * self._one_node
        self._fill(tree)

    def above(self, branch: Branch) -> int:
        """What taking everything below this branch costs in the places that it is in."""
        cost = 0
        while (parent := self._parents.get(branch)) is not None:
            branch = parent
            cost += self._charge(branch, self.count)
        return cost

    def cheapest(self, branch: Branch) -> int | None:
        """What taking all that is wanted there costs; None where that cannot be."""
        table = self.tables[branch]
        nodes = range(self._most_nodes + 1 if self._most_nodes is not None else 1)
        costs = (table.get(self.wanted + count * self._one_node) for count in nodes)
        return min((cost for cost in costs if cost is not None), default=None)

    def decoded(self, cost: int) -> tuple[tuple[UUID, ...], ...]:
        width = len(self._bits)
        bits = -cost & ((1 << width * len(self._kinds)) - 1)
        return tuple(
            tuple(id_ for id_ in self._ids() if bits >> index * width & self._bits[id_])
            for index in range(len(self._kinds))
        )

    def most(self, branch: Branch) -> int:
        """Of what is wanted, how many could be taken there at once."""
        return max(_sum(numbers % self._one_node) for numbers in self.tables[branch])

    def standing(self, branch: Branch) -> tuple[int, int]:
        """How many are free there before any is taken, and how many more would be if nobody held any."""
        return self._standing[branch]

    def _ids(self) -> Iterator[UUID]:
        return (device.id for device in self.tree.devices)

    def _fill(self, branch: Branch) -> None:
        table = {0: 0}
        for child in branch.branches:
            if child.level is Level.DEVICE:
                table = self._joined(table, self._device_table(*child.devices))
            else:
                self._parents[child] = branch
                self._fill(child)
                table = self._joined(table, self._counted(child))
        free = branch.count(self._free)
        self._standing[branch] = free, branch.count(self._suited) - free
        charges = {taken: self._charge(branch, taken) for taken in set(map(_sum, table))}
        self.tables[branch] = {numbers: cost + charges[_sum(numbers)] for numbers, cost in table.items()}

    def _counted(self, child: Branch) -> dict[int, int]:
        """The child's table, with the node counted in each number that takes something of it."""
        table = self.tables[child]
        limited = self._most_nodes is not None and child.level is Level.NODE
        if not limited or child.devices[0].numa_node is None:
            return table
        return {numbers + self._one_node if numbers else 0: cost for numbers, cost in table.items()}

    def _device_table(self, device: Device) -> dict[int, int]:
        width, bit = len(self._bits), self._bits[device.id]
        taken = (device.bandwidth << width) + bit << width * len(self._kinds)
        serving = {
            1 << _DIGIT * index: -(taken + (bit << width * index))
            for index, kind in enumerate(self._kinds)
            if device.id in kind.free
        }
        return {0: 0, **serving}

    def _joined(self, one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
        """Every sum of numbers of each that is not more than wanted, at its least cost."""
        if len(other) == 1:
            return one
        best: dict[int, int] = {}
        for left, left_cost in one.items():
            room = left + self._room
            for right, right_cost in other.items():
                if not room + right & self._carries:
                    cost = left_cost + right_cost
                    if best.get(left + right, cost) >= cost:
                        best[left + right] = cost
        return best

    def _charge(self, branch: Branch, taken: int) -> int:
        if branch.level is Level.HOST or not taken:
            return 0
        free, in_use = self._standing[branch]
        cost = 0
        for criterion in self._criteria(branch.level, taken, free - taken, in_use):
            cost = (cost << _FIELD) + criterion
        # Below the criteria: the bandwidth, and the bits of the devices.
        return cost << _FIELD + len(self._bits) * (len(self._kinds) + 1)


def _sum(numbers: int) -> int:
    """Of all kinds."""
    total = 0
    while numbers:
        total += numbers & _MOST
        numbers >>= _DIGIT
    return total
