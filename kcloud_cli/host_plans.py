"""Decides which hosts `kcloud up` runs: this machine, pretended ones, simulated ones. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from kcloud_common.errors import PermanentError


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host to run. Only one can be real: there is one machine."""

    name: str
    folder: Path
    is_fake: bool
    tree: str = ""
    """Which simulated machine a fake one is (vfio.sim.trees); empty: one with a GPU."""

    @property
    def token_file(self) -> Path:
        return self.folder / "enrol-token"


def plan(count: int, *, hypervisor: str, folder: Path, machine: str = "") -> tuple[HostPlan, ...]:
    """`count` hosts: with libvirt the first is this machine, by its name, and the others are fakes."""
    names = [f"fake-{number}" for number in range(1, count + 1)]
    real = 1 if hypervisor == "libvirt" else 0
    here = _host_name(machine)
    return tuple(
        HostPlan(here, folder / "hosts" / here, False)
        if number < real
        else HostPlan(names[number - real], folder / "hosts" / names[number - real], True)
        for number in range(count)
    )


def simulated(trees: str, *, count: int | None, folder: Path) -> tuple[HostPlan, ...]:
    """A fake host for each tree in `hgx-h100,rngd-x8,rngd-x8`, or `count` hosts that take the trees in turn.
    Each is named after its tree, with a number where it is not the first. PermanentError says which trees
    there are."""
    from vfio.sim.trees import parse  # a cloud of real hosts needs no simulator

    named = [tree.strip() for tree in trees.split(",")]
    for tree in named:
        try:
            parse(tree)
        except ValueError as error:
            raise PermanentError(f"--simulate {trees}: {error}") from error
    chosen = islice(cycle(named), len(named) if count is None else count)
    return tuple(HostPlan(name, folder / "hosts" / name, True, tree) for name, tree in _numbered(chosen))


def _numbered(trees: Iterator[str]) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for tree in trees:
        seen[tree] = seen.get(tree, 0) + 1
        yield (tree if seen[tree] == 1 else f"{tree}-{seen[tree]}"), tree


def _host_name(text: str) -> str:
    """The machine's name as an enrolment takes it."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", text).strip("-.")[:64] or "localhost"
