"""What a check says: one finding, and how all of them are ordered and counted. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar


class Severity(StrEnum):
    ERROR = "error"
    """Servers, or servers with accelerators where the host has some, cannot run here, or not safely."""
    WARNING = "warning"
    """They run, but slower, less isolated or with less than the hardware could give."""
    NOTE = "note"
    """Good to know; nothing need be done."""


_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` and `code` are stable; texts are not. A check leaves both empty: `examine` fills them in."""

    severity: Severity
    summary: str
    """What is wrong, in one line."""
    why: str = ""
    """What it means for who uses the host."""
    evidence: str = ""
    """Which file was read, and what it said."""
    mend: str = ""
    """The command or step that mends it."""
    subject: str = ""
    """PCI address; empty when it is about the host."""
    code: str = ""
    check: str = ""


F = TypeVar("F")
Check = Callable[[F], Iterator[Finding]]
Checks = Mapping[str, Sequence[Check[F]]]
"""Topic to its checks. The name of a check is the code of its findings."""


def examine(facts: F, checks: Checks[F]) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    return by_gravity(
        replace(finding, check=topic, code=finding.code or check.__name__)
        for topic, named in checks.items()
        for check in named
        for finding in check(facts)
    )


def by_gravity(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """Stable: the order of checks and of devices stays within one severity."""
    return tuple(sorted(findings, key=lambda finding: _RANK[finding.severity]))
