"""What a search for hosts ends with: candidates in some order, or why each host was refused. Pure data."""

from dataclasses import dataclass
from uuid import UUID

from kcloud_api.placement.ways import Candidate, ways

__all__ = ["ORDERS", "Candidate", "CandidateResult", "Refusal", "ways"]

ORDERS: dict[str, int] = {"spread": -1, "pack": 1}
"""How hosts are ordered by what is free of the request's classes, the rarest class first, then by id:
`spread` takes the host with the most free, so that load is even; `pack` the one with the least, so that
whole hosts stay empty. The value is the sign of `free` in the sort key."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one host cannot take a request. `code` is stable; scheduler/reasons.py has the words."""

    host_id: UUID
    host: str
    code: str
    resource_class: str = ""
    needed: int = 0
    free: int = 0
    total: int = 0
    trait: str = ""


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """`refusals` name every host that was looked at and refused: all hosts when there is no candidate."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
