"""What is asked of placement: amounts per resource class in groups, and traits. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

Amounts = Mapping[str, int]
"""Resource class to amount."""

UNSUFFIXED = ""
"""The group that may be spread over the providers of one host; every other comes from one provider whole."""

HOST_NOT_READY = "COMPUTE_STATUS_DISABLED"
"""Trait of a root provider: the host says that it takes no new servers (upstream's name)."""
HOST_DOWN = "CUSTOM_KCLOUD_HOST_DOWN"
"""Trait of a root provider: the control plane has not heard of the host for too long."""


@dataclass(frozen=True, slots=True, eq=False)
class ResourceRequest:
    """Groups by suffix (`""`: the unsuffixed one). `required` and `forbidden` traits are by suffix too.

    `group_policy` is `none` or `isolate` (each suffixed group from a provider of its own). Traits in
    `root_required` and `root_forbidden` are asked of the host's root provider. A request is equal only to
    itself, so that what is worked out of it once can be kept for all hosts.
    """

    groups: Mapping[str, Amounts]
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    forbidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    group_policy: str = "none"
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    in_tree: UUID | None = None
    """Only the tree that this provider belongs to."""

    def required_by(self, suffix: str) -> frozenset[str]:
        return self.required.get(suffix, frozenset())

    def forbidden_by(self, suffix: str) -> frozenset[str]:
        return self.forbidden.get(suffix, frozenset())

    def totals(self) -> dict[str, int]:
        """All groups together."""
        sums: dict[str, int] = {}
        for amounts in self.groups.values():
            for name, amount in amounts.items():
                sums[name] = sums.get(name, 0) + amount
        return sums
