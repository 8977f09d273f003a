"""What the agent knows about its own attempts: which want was settled, what failed, when to try again.

In memory only: an agent that starts anew tries anew. The clock is an argument.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from kcloud_common.wire import Fault, Presence, ServerWant
from kcloud_compute.backoff import pause_after
from kcloud_compute.faults import Failure

_FIRST, _MOST = 1.0, 30.0
"""Seconds between attempts."""

Aim = tuple[int, Presence]


@dataclass(frozen=True, slots=True)
class Standing:
    """One server's attempts."""

    settled: int = 0
    """Newest generation that was brought about, or given up."""
    aim: Aim | None = None
    """What the attempts below were about."""
    failures: int = 0
    since: float = 0.0
    not_before: float = 0.0
    fault: Fault | None = None
    """Reported: attempts have ended, or (removals) go on without much hope."""
    given_up: bool = False
    step: str = ""


class Ledger:
    """One thread's."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._standings: dict[UUID, Standing] = {}

    def of(self, server_id: UUID) -> Standing:
        return self._standings.get(server_id, Standing())

    def may_try(self, want: ServerWant, now: float) -> bool:
        """A changed want is tried at once."""
        standing = self.of(want.id)
        return standing.aim != _aim(want) or (not standing.given_up and now >= standing.not_before)

    def is_retrying(self, want: ServerWant) -> bool:
        standing = self.of(want.id)
        return standing.aim == _aim(want) and standing.failures > 0 and not standing.given_up

    def failed(self, want: ServerWant, failure: Failure, now: float) -> None:
        """A removal is never given up: somebody may mend the host."""
        standing = self.of(want.id)
        if standing.aim != _aim(want):
            standing = Standing(settled=standing.settled, step=standing.step)
        failures = standing.failures + 1
        since = standing.since if standing.failures else now
        hopeless = failure.permanent or now - since >= self._window
        removal = want.presence is Presence.ABSENT
        self._standings[want.id] = replace(
            standing,
            settled=want.generation if hopeless else standing.settled,
            aim=_aim(want),
            failures=failures,
            since=since,
            not_before=now + pause_after(failures - 1, first=_FIRST, most=_MOST),
            fault=failure.fault if hopeless else None,
            given_up=hopeless and not removal,
        )

    def settled(self, want: ServerWant) -> None:
        """Nothing is left to do for it."""
        self._standings[want.id] = Standing(settled=want.generation, step=self.of(want.id).step)

    def stepped(self, server_id: UUID, step: str) -> None:
        self._standings[server_id] = replace(self.of(server_id), step=step)

    def keep_only(self, server_ids: Collection[UUID]) -> None:
        """Forget servers that are no longer assigned."""
        self._standings = {id: standing for id, standing in self._standings.items() if id in server_ids}

    def next_try(self, now: float, busy: Collection[UUID]) -> float:
        """Seconds until something that is not being worked on may be tried again; infinity for nothing."""
        waits = [
            max(0.0, standing.not_before - now)
            for id, standing in self._standings.items()
            if standing.failures and not standing.given_up and id not in busy
        ]
        return min(waits, default=math.inf)


def _aim(want: ServerWant) -> Aim:
    return want.generation, want.presence
