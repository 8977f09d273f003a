"""Puts reports together and hands them to who sends them; makes anew only what has changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from kcloud_common.wire import Assignment, CardReport, DeviceReport, HostReport
from kcloud_compute.devices import attached, card_reports, device_reports
from kcloud_compute.inventory import Inventory
from kcloud_compute.observed import Observed
from kcloud_compute.planner import HostPlan
from kcloud_compute.report import Findings, HostFacts, Progress, host_report, server_reports
from kcloud_compute.reporter import Reporter


@dataclass(frozen=True, slots=True)
class Seen:
    """One look, and what was made of it."""

    inventory: Inventory
    observed: Observed
    todo: HostPlan
    problems: tuple[str, ...]
    troubles: Mapping[str, str]
    """What is tried in vain for devices and cards, by name."""
    layout_version: str = ""
    """Of the layout that the inventory was judged by."""


class Telling:
    """One thread's."""

    def __init__(self, facts: HostFacts, reporter: Reporter) -> None:
        self._facts, self._reporter = facts, reporter
        self._reported: HostReport | None = None
        self._device_reports: tuple[object, tuple[DeviceReport, ...]] | None = None
        self._card_reports: tuple[Inventory, Mapping[str, str], tuple[CardReport, ...]] | None = None

    def report(self, assignment: Assignment, seen: Seen, progress: Progress) -> None:
        found = Findings(
            boot_id=seen.observed.boot_id,
            assignment_generation=assignment.generation,
            servers=server_reports(assignment, seen.todo, seen.observed, progress),
            devices=self._devices(seen),
            cards=self._cards(seen),
            resources=seen.inventory.resources,
            layout_version=seen.layout_version,
            problems=seen.problems,
            shape=seen.observed.shape if seen.observed.scanned else None,
        )
        self._reported = host_report(self._facts, found)
        self._reporter.offer(self._reported)

    def trouble(self, problems: tuple[str, ...]) -> None:
        """What was seen last, and why nothing is seen now: silence must not look like an empty host."""
        if self._reported is not None:
            self._reported = self._reported.model_copy(update={"problems": problems})
            self._reporter.offer(self._reported)

    def _devices(self, seen: Seen) -> tuple[DeviceReport, ...]:
        """Made anew only when something that they are made from is another: a host has hundreds of slices."""
        inventory, observed, troubles = seen.inventory, seen.observed, seen.troubles
        made_from = (inventory, observed.devices, observed.claims, attached(observed), troubles)
        before = self._device_reports
        same = before is not None and before[0] == made_from
        reports = before[1] if before is not None and same else device_reports(inventory, observed, troubles)
        # With what was compared last: the same objects are equal at once, equal ones only after a long look.
        self._device_reports = made_from, reports
        return reports

    def _cards(self, seen: Seen) -> tuple[CardReport, ...]:
        before = self._card_reports
        if before is None or before[0] is not seen.inventory or before[1] != seen.troubles:
            reports = card_reports(seen.inventory, seen.troubles)
            before = self._card_reports = seen.inventory, seen.troubles, reports
        return before[2]
