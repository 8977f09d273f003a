"""Where the fake hypervisor keeps its domains: in memory, or in a folder that outlives a killed agent."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pydantic import TypeAdapter

from hypervisor_drivers.spec import DomainSpec, DomainState, NetworkSpec


@dataclass(frozen=True, slots=True)
class FakeDomain:
    """A domain as the fake remembers it. `live` is what it was started with: like a real hypervisor's, a
    definition changed while the guest runs takes effect at its next start."""

    spec: DomainSpec
    state: DomainState = DomainState.SHUTOFF
    live: DomainSpec | None = None
    boots: int = 0


@dataclass(frozen=True, slots=True)
class FakeState:
    """All that a hypervisor knows."""

    domains: dict[UUID, FakeDomain] = field(default_factory=dict)
    networks: dict[str, NetworkSpec] = field(default_factory=dict)


class Store(Protocol):
    def load(self) -> FakeState:
        """The state as last saved; the caller may change its dicts."""

    def save(self, state: FakeState) -> None:
        """Replace the state, whole or not at all."""


class MemoryStore:
    """Forgets when the process ends."""

    def __init__(self) -> None:
        self._state = FakeState()

    def load(self) -> FakeState:
        return FakeState(dict(self._state.domains), dict(self._state.networks))

    def save(self, state: FakeState) -> None:
        self._state = FakeState(dict(state.domains), dict(state.networks))


class FolderStore:
    """One JSON file, replaced by rename, so that a kill between any two instructions leaves a whole one."""

    _FORMAT: TypeAdapter[FakeState] = TypeAdapter(FakeState)

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "hypervisor.json"

    def load(self) -> FakeState:
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return FakeState()
        return self._FORMAT.validate_json(text)

    def save(self, state: FakeState) -> None:
        unfinished = self._file.with_suffix(".new")
        unfinished.write_bytes(self._FORMAT.dump_json(state, indent=1))
        unfinished.replace(self._file)
