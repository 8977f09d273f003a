"""What reports say, and when they are sent."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from hypervisor_drivers.spec import Capabilities, DomainState
from kcloud_api.compute.observed import Known as KnownServer
from kcloud_api.compute.observed import event_of
from kcloud_api.compute.states import Event
from kcloud_api.compute.states import State as ServerState
from kcloud_common.certificate import NO_CERTIFICATE
from kcloud_common.errors import Unavailable
from kcloud_common.signing import unsigned
from kcloud_common.wire import (
    DeviceReport,
    DeviceState,
    Fault,
    HostReport,
    PowerState,
    ReportAck,
    ServerReport,
)
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.devices import (
    MOST_CERTIFICATES,
    card_reports,
    device_reports,
    one_after_the_other,
)
from kcloud_compute.inventory import Inventory, Known, Looking, take_inventory
from kcloud_compute.ledger import Standing
from kcloud_compute.observed import Folder, Held, Observed
from kcloud_compute.planner import plan
from kcloud_compute.records import Record
from kcloud_compute.report import Findings, HostFacts, Progress, host_report, is_gone, server_reports
from kcloud_compute.reporter import Reporter, digests
from tests.unit.agent_world import (
    BOOT,
    HOST,
    absent,
    assignment,
    claim,
    claim_id,
    domain,
    observed,
    server_id,
    want,
)
from vfio.catalogue import builtin
from vfio.journal import Journal
from vfio.lifecycle import State
from vfio.sim.trees import build
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs
from vfio.testing import two_function_group

GPU = claim(1, "pci_0000_41_00_0")
ABLE = Capabilities("QEMU", "10.0", "qemu", "x86_64", 8, 16384)
IDLE = Progress(steps={}, standings={}, retrying=frozenset(), addresses={})


def look_at(folder: Path) -> Inventory:
    """A host with a GPU and its audio function, looked at once."""
    sysfs = two_function_group(folder / "host").sysfs()
    slicer = Slicer(sysfs, Journal(folder / "journal"), LayoutJournal(folder / "layouts"))
    return take_inventory(Looking(sysfs, slicer, (), builtin()), Known())


def test_what_a_host_counts_is_reported_and_what_its_operator_declares_where_the_kernel_is_silent(
    tmp_path: Path,
) -> None:
    def counted(sysfs: Sysfs, folder: Path, declared: int) -> list[tuple[str, int, bool]]:
        slicer = Slicer(sysfs, Journal(folder / "journal"), LayoutJournal(folder / "layouts"))
        seen = take_inventory(Looking(sysfs, slicer, (), builtin(), declared), Known())
        facts = HostFacts(ABLE, disk_gib=100, reserved_memory_mib=512, epoch=7)
        report = host_report(facts, Findings(BOOT, 9, (), (), (), resources=seen.resources))
        return [(each.resource_class, each.total, each.declared) for each in report.resources]

    shown = build("upmem-x2", tmp_path / "shown").sysfs()
    assert counted(shown, tmp_path / "a", 0) == [("CUSTOM_PIM_UPMEM_RANK", 4, False)]
    assert counted(shown, tmp_path / "b", 40) == [("CUSTOM_PIM_UPMEM_RANK", 4, False)]
    silent = build("rngd-x1", tmp_path / "silent").sysfs()
    assert counted(silent, tmp_path / "c", 40) == [("CUSTOM_PIM_UPMEM_RANK", 40, True)]
    assert counted(silent, tmp_path / "d", 0) == []


def told(*servers: ServerReport, problems: tuple[str, ...] = ()) -> HostReport:
    facts = HostFacts(ABLE, disk_gib=100, reserved_memory_mib=512, epoch=7)
    return host_report(facts, Findings(BOOT, 9, servers, (), problems))


def reports(now: Observed, *wants_: object, progress: Progress = IDLE) -> dict[UUID, ServerReport]:
    assigned = assignment(*wants_)  # type: ignore[arg-type]
    found = server_reports(assigned, plan(assigned, now, HOST), now, progress)
    return {report.id: report for report in found}


def test_a_server_is_reported_with_its_power_its_step_and_its_standing() -> None:
    fault = Fault(code="hypervisor_refused", message="no")
    progress = Progress(
        steps={server_id(1): "image"},
        standings={server_id(1): Standing(settled=2), server_id(2): Standing(settled=3, fault=fault)},
        retrying=frozenset(),
        addresses={server_id(2): ("192.168.222.9",)},
    )
    record = Record(reboot_count=5)
    now = observed(
        domains={server_id(2): domain(want(2))}, folders={server_id(2): Folder(disk=True, record=record)}
    )
    found = reports(now, want(1), want(2), progress=progress)
    one, two = found[server_id(1)], found[server_id(2)]
    assert (one.power_state, one.busy, one.step, one.generation) == (PowerState.NONE, True, "image", 2)
    assert (two.power_state, two.busy, two.fault, two.generation) == (PowerState.RUNNING, False, fault, 3)
    assert two.addresses == ("192.168.222.9",)
    assert two.reboot_count == 5


def test_a_start_that_takes_too_long_ends_in_a_fault_that_the_control_plane_takes() -> None:
    progress = Progress({server_id(1): "start"}, {}, frozenset(), {}, overdue={server_id(1): 120.0})
    late = reports(observed(), want(1), progress=progress)[server_id(1)]
    assert late.fault is not None
    assert (late.fault.code, late.busy, late.generation) == ("start_slow", False, want(1).generation)
    assert "120 s" in late.fault.details
    known = KnownServer(ServerState.BUILDING, want(1).generation, wanted_on=True)
    assert event_of(known, late) is Event.FAILED
    assert reports(observed(), absent(1), progress=progress)[server_id(1)].fault is None


def test_a_stray_is_reported_without_a_generation() -> None:
    now = observed(
        domains={server_id(8): domain(want(8), DomainState.PAUSED)}, folders={server_id(9): Folder()}
    )
    found = reports(now)
    assert found[server_id(8)].power_state is PowerState.PAUSED
    assert found[server_id(9)].power_state is PowerState.NONE
    assert not any(report.gone for report in found.values())


def test_gone_means_no_domain_no_file_and_no_journal_entry() -> None:
    going = absent(claims=(GPU,))
    assert is_gone(going, observed())
    assert not is_gone(going, observed(domains={going.id: domain(want())}))
    assert not is_gone(going, observed(folders={going.id: Folder()}))
    assert not is_gone(going, observed(claims={GPU.id: Held(GPU.addresses)}))
    assert not is_gone(going, observed(claims={GPU.id: Held(damaged=True)}))
    assert is_gone(going, observed(claims={claim_id(7): Held(("0000:42:00.0",))}))
    assert not is_gone(want(), observed())


def test_a_server_that_is_still_worked_on_is_not_gone() -> None:
    progress = Progress({absent().id: "remove"}, {}, frozenset(), {})
    assert not reports(observed(), absent(), progress=progress)[absent().id].gone
    assert reports(observed(), absent())[absent().id].gone


def test_devices_are_reported_by_ledger_journal_and_domains(tmp_path: Path) -> None:
    look = look_at(tmp_path)
    held = {GPU.id: Held(GPU.addresses, GPU.device, ready=True)}

    def shown(now: Observed) -> DeviceReport:
        (report,) = device_reports(look, now)
        return report

    def kept(state: State, **facts: object) -> Observed:
        record = DeviceRecord(device=GPU.device, state=state, generation=4, **facts)
        return observed(devices={GPU.device: record})

    free = shown(observed())
    assert (free.state, free.claim_id, free.generation) == (DeviceState.FREE, None, 0)
    assert (free.addresses, free.card, free.share) == (GPU.addresses, "", 1000)
    claimed = shown(observed(claims=held))
    assert (claimed.state, claimed.claim_id) == (DeviceState.CLAIMED, GPU.id)
    running = domain(want(claims=(GPU,)))
    assert shown(observed(claims=held, domains={running.uuid: running})).state is DeviceState.ATTACHED
    leased = shown(kept(State.CLAIMED, claim_id=GPU.id))
    assert (leased.state, leased.claim_id, leased.generation) == (DeviceState.CLAIMED, GPU.id, 4)
    dirty = shown(kept(State.SANITISING, claim_id=GPU.id))
    assert (dirty.state, dirty.claim_id) == (DeviceState.SANITISING, GPU.id)
    bad = shown(kept(State.QUARANTINED, claim_id=GPU.id, reason="did not come back", release_count=2))
    assert (bad.state, bad.claim_id, bad.reason) == (DeviceState.QUARANTINED, None, "did not come back")
    assert bad.release_count == 2


def test_a_card_that_shall_be_something_else_gets_no_new_guests(tmp_path: Path) -> None:
    look = look_at(tmp_path)
    (decision,) = look.decisions
    drifting = replace(look, decisions=(replace(decision, drift="it is used"),))
    held = {GPU.id: Held(GPU.addresses, GPU.device, ready=True)}

    (free,) = device_reports(drifting, observed())
    (claimed,) = device_reports(drifting, observed(claims=held))
    assert (free.state, free.reason) == (DeviceState.MAINTENANCE, "it is used")
    assert claimed.state is DeviceState.CLAIMED
    (card,) = card_reports(drifting)
    assert (card.name, card.drift) == (GPU.device, "it is used")
    assert [ability.kind for ability in card.abilities] == ["whole"]


def test_the_certificates_of_hundreds_of_slices_come_a_few_at_a_time() -> None:
    facts = {
        "device": "any", "host_id": UUID(int=1), "vendor_id": "10de", "product_id": "2331", "sequence": 1,
        "generation": 0, "occasion": "burn-in", "grade": "C", "steps": (),
        "issued_at": "2026-11-20T12:34:56Z", "previous": NO_CERTIFICATE,
    }  # fmt: skip
    certificate = unsigned(facts)
    slices = [
        DeviceReport(
            name=f"slice-{number}", addresses=(), vendor_id="10de", product_id="2331", resource_class="VGPU",
            certificate=certificate if number % 2 else None,
        )
        for number in range(400)
    ]  # fmt: skip
    reports = one_after_the_other(slices)
    assert [each.name for each in reports] == [each.name for each in slices]
    told = [number for number, each in enumerate(reports) if each.certificate is not None]
    assert told == list(range(1, 2 * MOST_CERTIFICATES, 2))


def test_progress_is_no_new_fact() -> None:
    idle = told(ServerReport(id=server_id(1), generation=1, power_state=PowerState.NONE))
    busy = told(ServerReport(id=server_id(1), generation=1, power_state=PowerState.NONE, busy=True))
    runs = told(ServerReport(id=server_id(1), generation=1, power_state=PowerState.RUNNING))
    assert digests(idle)[0] == digests(busy)[0]
    assert digests(idle)[1] != digests(busy)[1]
    assert digests(idle)[0] != digests(runs)[0]
    assert digests(idle) == digests(idle.model_copy(update={"sequence": 5}))


class Plane:
    """Takes reports, and answers as it is told."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.got: list[HostReport] = []
        self._answers = list(answers)
        self._changed = threading.Condition()

    def report(self, report: HostReport) -> ReportAck:
        with self._changed:
            self.got.append(report)
            self._changed.notify_all()
            answer = self._answers.pop(0) if self._answers else True
        if isinstance(answer, Exception):
            raise answer
        return ReportAck(accepted=answer, assignment_generation=9)

    def wait(self, count: int, timeout: float = 10.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.got) >= count, timeout)


def reporter(plane: Plane, interval: float = 300.0, replaced: Callable[[], None] = lambda: None) -> Reporter:
    made = Reporter(plane, interval, lambda _: None, replaced)
    made.start()
    return made


def test_a_report_is_sent_once_and_again_when_facts_change() -> None:
    plane = Plane()
    sender = reporter(plane)
    sender.offer(told())
    assert plane.wait(1)
    sender.offer(told())
    sender.offer(told(problems=("hypervisor: gone",)))
    assert plane.wait(2)
    assert [report.sequence for report in plane.got] == [1, 2]
    assert plane.got[1].problems == ("hypervisor: gone",)
    sender.stop(5)


def test_the_same_facts_are_sent_again_after_the_interval() -> None:
    plane = Plane()
    sender = reporter(plane, interval=0.05)
    sender.offer(told())
    assert plane.wait(3)
    sender.stop(5)


def test_a_report_that_did_not_arrive_is_sent_again_with_a_newer_sequence() -> None:
    plane = Plane(Unavailable("down"), Unavailable("down"))
    sender = reporter(plane)
    sender.offer(told())
    assert plane.wait(3)
    assert [report.sequence for report in plane.got] == [1, 2, 3]
    sender.stop(5)


def test_one_refusal_may_be_for_the_sequence_two_mean_that_we_were_replaced() -> None:
    replaced = threading.Event()
    once = Plane(False)
    sender = reporter(once, replaced=replaced.set)
    sender.offer(told())
    assert once.wait(2)
    sender.stop(5)
    assert not replaced.is_set()
    twice = Plane(False, False)
    sender = reporter(twice, replaced=replaced.set)
    sender.offer(told())
    assert replaced.wait(10)
    sender.stop(5)


def test_facts_that_nobody_has_looked_after_for_long_say_so_until_somebody_does() -> None:
    plane = Plane()
    sender = reporter(plane, interval=0.05)
    sender.stale_after = -1.0
    sender.offer(told())
    assert plane.wait(1)
    assert "may hang in the kernel" in plane.got[0].problems[0]
    sender.stale_after = 300.0
    before = len(plane.got)
    assert plane.wait(before + 2)
    assert plane.got[-1].problems == ()
    sender.stop(5)


def test_an_error_that_nobody_thought_of_does_not_end_the_reports() -> None:
    plane = Plane(RuntimeError("a mistake of ours"))
    sender = reporter(plane)
    sender.offer(told())
    assert plane.wait(2)
    sender.stop(5)
