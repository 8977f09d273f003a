"""Checks of memory: hugepages, NUMA nodes, and what libvirt may lock. Pure."""

from collections.abc import Iterator

from vfio.doctor.facts import Facts, Node
from vfio.doctor.finding import Finding, Severity

_LARGE_GIB = 64
"""Hosts with less memory start guests fast enough without hugepages."""
_NODES = "/sys/devices/system/node"


def hugepages_none(facts: Facts) -> Iterator[Finding]:
    """A large host with cards has no hugepages."""
    memory = facts.memory
    gib = (memory.total_kib or 0) >> 20
    if not facts.result.offers or not memory.hugepages or any(memory.hugepages.values()):
        return
    if memory.hugepages_asked or gib < _LARGE_GIB:
        return
    yield Finding(
        Severity.WARNING,
        f"there are no hugepages for {gib} GiB of memory",
        "a large guest with a card takes minutes to start: its memory is pinned in pages of 4 KiB",
        f"/sys/kernel/mm/hugepages/hugepages-{memory.default_kib}kB/nr_hugepages: 0",
        f"echo vm.nr_hugepages={_most_memory(facts)} > /etc/sysctl.d/60-kcloud.conf && sysctl --system",
    )


def _most_memory(facts: Facts) -> int:
    """Pages of the default size in three quarters of all memory: the host needs some itself."""
    return (facts.memory.total_kib or 0) * 3 // 4 // facts.memory.default_kib


def hugepages_short(facts: Facts) -> Iterator[Finding]:
    """The kernel found fewer hugepages than it was asked for: memory is in pieces."""
    memory = facts.memory
    have = memory.hugepages.get(memory.default_kib)
    if have is None or have >= memory.hugepages_asked:
        return
    room = [f"{node.large_blocks} on node {node.number}" for node in memory.nodes if node.large_blocks]
    pieces = f"; /proc/buddyinfo: room for {', '.join(room) or 'no'} more"
    yield Finding(
        Severity.WARNING,
        f"the kernel has {have} hugepages of {memory.hugepages_asked} that it was asked for",
        "guests that ask for hugepages do not fit although memory is free: it is in pieces",
        f"{memory.asked_where}; nr_hugepages: {have}{pieces}",
        "echo 1 > /proc/sys/vm/compact_memory && sysctl --system; if that is not enough: reboot",
    )


def hugepages_uneven(facts: Facts) -> Iterator[Finding]:
    """A NUMA node with cards has no hugepages while another has."""
    for size, total in sorted(facts.memory.hugepages.items()):
        by_node = {node.number: node.hugepages.get(size, 0) for node in facts.memory.nodes}
        bare = [node for node in _nodes_of_cards(facts) if by_node.get(node) == 0 and _node_size(facts, node)]
        if not total or not bare:
            continue
        page = f"{_NODES}/node{bare[0]}/hugepages/hugepages-{size}kB/nr_hugepages"
        yield Finding(
            Severity.WARNING,
            f"NUMA node {', '.join(map(str, bare))} has cards and no hugepages",
            "guests with hugepages get their memory far from their card, or do not start",
            f"{page}: 0, of {total} in all",
            f"echo {total // max(1, len(facts.memory.nodes))} > {page}",
        )


def _nodes_of_cards(facts: Facts) -> list[int]:
    return sorted({card.numa_node for card in facts.cards if card.numa_node is not None})


def _node_size(facts: Facts, number: int) -> int:
    node = facts.memory.node(number)
    return node.memory_kib if node else 0


def numa_unknown(facts: Facts) -> Iterator[Finding]:
    """The firmware does not say near which NUMA node a card is."""
    if len(facts.memory.nodes) < 2:
        return
    for card in facts.cards:
        if card.numa_node is None:
            yield Finding(
                Severity.WARNING,
                f"{card.address} says of no NUMA node that it is near",
                f"its guests run on any of {len(facts.memory.nodes)} nodes: most are far from their card",
                f"/sys/bus/pci/devices/{card.address}/numa_node: -1",
                f"update the firmware, or: echo NODE > /sys/bus/pci/devices/{card.address}/numa_node",
                card.address,
            )


def numa_memoryless(facts: Facts) -> Iterator[Finding]:
    """A card is near a NUMA node that has no memory."""
    bare = [node for node in facts.memory.nodes if node.memory_kib == 0]
    for node in bare:
        if near := [card.address for card in facts.cards if card.numa_node == node.number]:
            yield _memoryless(node, near)


def _memoryless(node: Node, near: list[str]) -> Finding:
    return Finding(
        Severity.WARNING,
        f"NUMA node {node.number} has no memory, and {', '.join(near)} near it",
        "all memory of guests with these cards is far from them: DMA is slower",
        f"{_NODES}/node{node.number}/meminfo: MemTotal 0 kB",
        "fill the memory slots of that processor, or move the cards",
        near[0],
    )


def memlock_low(facts: Facts) -> Iterator[Finding]:
    """libvirt may neither lock a guest's memory nor raise that limit."""
    for daemon in facts.daemons:
        total = (facts.memory.total_kib or 0) * 1024
        if daemon.memlock is not None and not daemon.may_raise and daemon.memlock < total:
            folder = f"/etc/systemd/system/{daemon.name}.service.d"
            yield Finding(
                Severity.ERROR if facts.cards else Severity.WARNING,
                f"{daemon.name} may lock {daemon.memlock >> 20} MiB of memory",
                "guests with devices do not start: all of their memory is locked",
                f"/proc/{daemon.pid}/limits: Max locked memory {daemon.memlock}; no CAP_SYS_RESOURCE",
                f"mkdir -p {folder} && printf '[Service]\\nLimitMEMLOCK=infinity' > {folder}/kcloud.conf && "
                f"systemctl daemon-reload && systemctl restart {daemon.name}",
            )
