"""What the choice of devices costs: CPU milliseconds for each policy, on hosts of 8 to 128 devices.

.venv/bin/python -m benchmarks.topology
"""

import time
from collections.abc import Sequence
from random import Random
from uuid import UUID

from kcloud_api.scheduler.topology import Device, Kind, Policy, choose

SHAPES = ((8, 2), (16, 2), (16, 4), (64, 4), (64, 8), (128, 8))
"""Devices, and devices below each switch; on two NUMA nodes."""
REPEATS = 50


def host(count: int, per_switch: int) -> list[Device]:
    return [
        Device(
            UUID(int=number),
            f"0000:{number:02x}:00.0",
            numa_node=2 * number // count,
            path=(f"root-{number // per_switch}", f"switch-{number // per_switch}", f"port-{number}"),
            bandwidth=2520,
        )
        for number in range(count)
    ]


def kinds(devices: Sequence[Device], counts: Sequence[int], in_use: float) -> list[Kind]:
    """Devices dealt out to the kinds in turn, a part of them held by others."""
    chance = Random(1)
    held = frozenset(device.id for device in devices if chance.random() < in_use)
    suited = [
        frozenset(device.id for device in devices[index :: len(counts)]) for index in range(len(counts))
    ]
    return [Kind(count, mine - held, mine) for count, mine in zip(counts, suited, strict=True)]


def milliseconds(devices: Sequence[Device], wanted: Sequence[Kind], policy: Policy) -> float:
    began = time.process_time()
    for _ in range(REPEATS):
        choose(devices, wanted, policy)
    return (time.process_time() - began) / REPEATS * 1000


def main() -> None:
    print("CPU ms for one choice".ljust(44), *(policy.value.rjust(12) for policy in Policy))
    for count, per_switch in SHAPES:
        devices = host(count, per_switch)
        for counts, in_use in (((8,), 0.0), ((8,), 0.25), ((4, 4), 0.25), ((1,) * 8, 0.25)):
            wanted = kinds(devices, counts, in_use)
            what = f"{'+'.join(map(str, counts))} of {count}, {per_switch} a switch, {in_use:.0%} in use"
            costs = (milliseconds(devices, wanted, policy) for policy in Policy)
            print(what.ljust(44), *(f"{cost:12.2f}" for cost in costs))


if __name__ == "__main__":
    main()
