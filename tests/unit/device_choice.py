"""Hosts made of switches, and the choice of devices as an exhaustive search makes it, from the definitions.

Nothing here builds a tree: a switch is a set of devices that share a bridge.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from uuid import UUID

from hypothesis import strategies as st

from kcloud_api.scheduler.topology import Device, Kind, Policy

Set = frozenset[UUID]


def device(number: int, node: int | None = 0, *path: str, bandwidth: int = 0) -> Device:
    """Numbered from 0; its own port is the last bridge of its path."""
    address = f"0000:{number + 1:02x}:00.0"
    return Device(UUID(int=number), address, node, (*path, f"port-{number}"), bandwidth)


def ids(*numbers: int) -> Set:
    return frozenset(UUID(int=number) for number in numbers)


def numbers(chosen: Sequence[Sequence[UUID]]) -> list[list[int]]:
    return [[id_.int for id_ in kind] for kind in chosen]


def host(*switches: int, nodes: int = 2) -> tuple[Device, ...]:
    """Switches of so many devices each, dealt out to the nodes in turn: half of them on the first of two."""
    devices: list[Device] = []
    per_node = -(-len(switches) // nodes)
    for index, count in enumerate(switches):
        here = range(len(devices), len(devices) + count)
        devices += [device(number, index // per_node, f"root-{index}", f"up-{index}") for number in here]
    return tuple(devices)


@dataclass(frozen=True, slots=True)
class Places:
    """Every NUMA node and every switch as the set of its devices: a bit for each number."""

    nodes: frozenset[int]
    switches: frozenset[int]


def bits(found: Iterable[UUID]) -> int:
    return sum(1 << id_.int for id_ in found)


def places(devices: Sequence[Device]) -> Places:
    some_say = any(d.numa_node is not None for d in devices)
    node_of = {
        d.id: ("alone", d.id) if some_say and d.numa_node is None else ("node", d.numa_node) for d in devices
    }
    nodes = {bits(d.id for d in devices if node_of[d.id] == node) for node in node_of.values()}
    bridges = {(node_of[d.id], d.path[: n + 1]) for d in devices for n in range(len(d.path))}
    shared = {
        bits(d.id for d in devices if node_of[d.id] == node and d.path[: len(path)] == path)
        for node, path in bridges
    }
    switches = {switch for switch in shared if switch.bit_count() > 1}
    alone = {one for one in (bits([d.id]) for d in devices) if not any(one & switch for switch in switches)}
    return Places(frozenset(nodes), frozenset(switches | alone))


def exhaustive(
    devices: Sequence[Device], kinds: Sequence[Kind], policy: Policy, most_nodes: int | None = None
) -> tuple[tuple[UUID, ...], ...] | None:
    """The best choice of all, on no more than so many known nodes, or None when there is none."""
    found = places(devices)
    ranked = sorted(devices, key=lambda d: d.address)
    free = bits(frozenset[UUID]().union(*(kind.free for kind in kinds)))
    suited = free | bits(frozenset[UUID]().union(*(kind.suited for kind in kinds)))
    best: tuple[object, ...] | None = None
    chosen: tuple[tuple[Device, ...], ...] | None = None
    for serving in servings(ranked, kinds, frozenset()):
        taken = [device for kind in serving for device in kind]
        if most_nodes is not None and len({d.numa_node for d in taken} - {None}) > most_nodes:
            continue
        value = objective(found, bits(d.id for d in taken), free, suited, policy)
        if value is None:
            continue
        bandwidth = sum(d.bandwidth for d in taken)
        # Which kind has which of them matters to nobody; the last kind has the lower addresses.
        by_kind = [[d.address for d in kind] for kind in reversed(serving)]
        rating = (*value, -bandwidth, sorted(d.address for d in taken), by_kind)
        if best is None or rating < best:
            best, chosen = rating, serving
    return tuple(tuple(d.id for d in kind) for kind in chosen) if chosen is not None else None


def servings(
    ranked: Sequence[Device], kinds: Sequence[Kind], taken: Set
) -> Iterator[tuple[tuple[Device, ...], ...]]:
    if not kinds:
        yield ()
        return
    open_to_it = [d for d in ranked if d.id in kinds[0].free and d.id not in taken]
    for mine in combinations(open_to_it, kinds[0].count):
        for others in servings(ranked, kinds[1:], taken.union(d.id for d in mine)):
            yield (mine, *others)


def objective(found: Places, taken: int, free: int, suited: int, policy: Policy) -> tuple[int, ...] | None:
    """As the policy's documentation says it; None when the policy forbids it."""
    nodes = [node for node in found.nodes if node & taken]
    switches = [switch for switch in found.switches if switch & taken]

    def left(touched: Sequence[int]) -> int:
        return sum((place & free & ~taken).bit_count() for place in touched)

    if policy is Policy.SPREAD:
        squares = [
            sum((place & taken).bit_count() ** 2 for place in touched) for touched in (nodes, switches)
        ]
        return (*squares, -left(nodes), -left(switches))
    in_use = sum((place & suited & ~free).bit_count() for place in (*nodes, *switches))
    packed = (len(nodes), len(switches), left(switches), left(nodes), -in_use)
    if policy is Policy.PACK:
        return packed
    touched = switches if policy is Policy.SAME_SWITCH else nodes
    together = [place for place in touched if not taken & ~place]
    return (min(left([place]) for place in together), *packed) if together else None


@st.composite
def hosts(draw: st.DrawFn, most: int = 10) -> tuple[Device, ...]:
    """Devices below switches below switches, some below none, on nodes that are known or not."""
    count = draw(st.integers(1, most))
    order = draw(st.permutations(range(count)))
    bridge = st.sampled_from(["a", "b", "c"])
    made = []
    for number in order:
        path = draw(st.lists(bridge, max_size=3))
        node = draw(st.sampled_from([0, 0, 1, 1, None] if draw(st.booleans()) else [0, 1]))
        full = tuple("/".join(path[: depth + 1]) for depth in range(len(path)))
        made.append(device(number, node, *full, bandwidth=draw(st.sampled_from([0, 16, 32]))))
    return tuple(made)


def subsets(devices: Sequence[Device]) -> st.SearchStrategy[Set]:
    return st.frozensets(st.sampled_from([d.id for d in devices]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[Device, ...], tuple[Kind, ...]]:
    devices = draw(hosts())
    kinds: list[Kind] = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        free = draw(subsets(devices))
        most = 2 if kinds else 5
        kinds.append(Kind(draw(st.integers(1, most)), free, free | draw(subsets(devices))))
    return devices, tuple(kinds)
