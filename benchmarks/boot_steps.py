"""Explains one boot from the logs of control plane and agent: when each step was done, counted from POST."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

LINE = re.compile(r"^(?P<time>\d{4}-\S+) \w+ (?P<event>\w+)(?P<facts>.*)$")
FACT = re.compile(r" (\w+)=(\S+)")

READY = ("agent: disk", "agent: config", "agent: prepare", "agent: define")

Line = tuple[float, str, Mapping[str, str]]
"""Seconds since the epoch, event, facts."""


def lines(*logs: Path) -> list[Line]:
    """Every event of these logs, in the order of time."""
    found = []
    for log in logs:
        for text in log.read_text(errors="replace").splitlines():
            if match := LINE.match(text):
                when = datetime.fromisoformat(match["time"]).timestamp()
                found.append((when, match["event"], dict(FACT.findall(match["facts"]))))
    return sorted(found, key=lambda line: line[0])


def steps(found: Iterable[Line], server_id: str, began: float, ended: float) -> dict[str, float]:
    """Milliseconds from `began` to the end of each step of this server's boot, by the step's name."""
    done: dict[str, float] = {}
    for when, event, facts in found:
        name = _step(event, facts, server_id)
        while name in done:
            name += " (again)"
        if name is not None and began - 0.001 <= when <= ended + 1:
            done[name] = (when - began) * 1000
    return done


def _step(event: str, facts: Mapping[str, str], server_id: str) -> str | None:
    """A step's name, for the events that end one."""
    if event == "assignment_received":
        return "assignment received"
    if facts.get("server_id") != server_id:
        return None
    if event == "step_done":
        return f"agent: {facts['step']}"
    return {
        "action_begun": "request checked",
        "server_placed": "placed",
        "work_begun": "agent: observed and planned",
        "server_observed": "ACTIVE",
    }.get(event)


def before_start(boot: Mapping[str, float]) -> float:
    """Milliseconds until all was there that the start needs."""
    return max(boot[name] for name in READY if name in boot)


def table(boots: Sequence[Mapping[str, float]]) -> str:
    """Medians, in order: when each step was done, and how long after the one before."""
    names = {name for boot in boots for name in boot}
    medians = {name: statistics.median(boot[name] for boot in boots if name in boot) for name in names}
    rows, before = [], 0.0
    for name, done in sorted(medians.items(), key=lambda item: item[1]):
        rows.append(f"  {name:<30}{done:>8.0f}{done - before:>+8.0f}")
        before = done
    return "\n".join(rows)
