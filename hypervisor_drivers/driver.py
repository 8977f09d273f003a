"""The port between agent and hypervisor: about ten verbs over complete specs.

Every verb may be called twice, and after a crash at any line: it leads to the same state. Drivers raise
`DriverError` (worth another turn) or `DriverRefused` (the hypervisor will never accept this spec;
`DriverJammed` when its own service is stuck).
One contract suite, tests/contract/test_drivers.py, runs against every driver.
"""

from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import UUID

from hypervisor_drivers.spec import Capabilities, DomainSeen, DomainSpec, NetworkSpec


class DriverError(Exception):
    """The hypervisor could not do it now; `str(error)` carries its own words."""


class DriverRefused(DriverError):
    """The hypervisor will not do it however often it is asked."""


class DriverJammed(DriverRefused):
    """The hypervisor's own service is stuck with this domain; the message says how an operator mends it."""


class Driver(Protocol):
    """A hypervisor on this host. Thread-safe; verbs block until done."""

    def capabilities(self) -> Capabilities:
        """What works here; cheap after the first call."""

    def domains(self) -> Mapping[UUID, DomainSeen]:
        """All domains that kcloud defined, running or not."""

    def define(self, spec: DomainSpec) -> None:
        """Make the domain known (validated), or replace its definition. Does not start it. A running guest
        shows the new metadata at once and gets the new hardware at its next start (not at a reboot)."""

    def start(self, uuid: UUID) -> None:
        """Start a defined domain, or let a paused one go on; a no-op when it runs. Disks, networks and
        devices must be there by now."""

    def stop(self, uuid: UUID, *, grace_seconds: float) -> None:
        """Ask the guest to shut down, then pull the plug; a no-op when it does not run or is unknown."""

    def reboot(self, uuid: UUID) -> None:
        """Reset a running domain; starts it when it is off."""

    def undefine(self, uuid: UUID) -> None:
        """Forget a domain, destroying it if it runs; a no-op when it is unknown."""

    def addresses(self, uuid: UUID) -> tuple[str, ...]:
        """IPv4 addresses that the guest's NICs got, also of a guest that is off as long as its leases last;
        empty until then or when unknown."""

    def ensure_network(self, spec: NetworkSpec) -> None:
        """Define, start and autostart the NAT network if it is not so. DriverRefused when its range or
        bridge is taken, or when guests run on a different network of that name."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` (from any thread, coalesced or not) whenever a domain's lifecycle state changes,
        and when the connection to the hypervisor is lost or found again."""

    def close(self) -> None:
        """Let go of the connection; domains keep running."""
