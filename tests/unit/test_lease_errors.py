"""Errors that AER counts during a lease: kept over deaths and reboots, judged at its end, told in words."""

import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_compute.lease_notes import Beginning, LeaseNotes, begun, counted, growth
from tests.thoroughness import examples
from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import DEVICE, GPU
from vfio.health import MANY_CORRECTED, Errors, Weight, judge_lease
from vfio.lifecycle import State
from vfio.testing import two_function_group

BOOT, LATER = "boot-1", "boot-2"


@pytest.fixture
def host(tmp_path: Path) -> Place:
    return place(tmp_path)


def verify_step(host: Place) -> str:
    certificate = host.record().certificate
    assert certificate is not None
    return next(step.evidence for step in certificate.steps if step.name == "verify")


# --- at the end of a lease -----------------------------------------------------------------------------


def test_a_lease_without_errors_says_so_in_its_certificate(host: Place) -> None:
    host.kernel.count_errors(GPU, fatal=2, nonfatal=7, correctable=40)
    agent = host.agent()
    agent.lease()
    assert agent.end().state is State.FREE
    assert f"{GPU} during its lease: 0 fatal, 0 nonfatal, 0 corrected errors" in verify_step(host)


@pytest.mark.parametrize("kind", ["nonfatal", "fatal"])
def test_a_card_that_made_errors_under_its_guest_is_quarantined_by_the_next_process_too(
    host: Place, kind: str
) -> None:
    host.agent().lease()
    host.kernel.count_errors(GPU, **{kind: 3})
    record = host.agent().end()
    assert record.state is State.QUARANTINED
    assert f"{GPU}: 3 {kind} errors during its lease" in record.reason
    assert record.certificate is None


def test_a_burn_in_leads_out_of_that_for_it_shows_what_the_card_does_by_itself(host: Place) -> None:
    host.agent().lease()
    host.kernel.count_errors(GPU, nonfatal=1)
    host.agent().end()
    assert host.agent().burn_in(1).state is State.FREE
    assert "during its lease" not in verify_step(host)
    host.told()
    agent = host.agent()
    agent.lease(2)
    assert agent.end().state is State.FREE


def test_corrected_errors_are_evidence_and_many_of_them_are_named(host: Place) -> None:
    host.agent().lease()
    host.kernel.count_errors(GPU, correctable=12)
    assert host.agent().end().state is State.FREE
    assert "0 nonfatal, 12 corrected errors" in verify_step(host)
    host.told()
    host.agent().lease(2)
    host.kernel.count_errors(GPU, correctable=MANY_CORRECTED + 1)
    assert host.agent().end().state is State.FREE
    assert f"more than {MANY_CORRECTED}" in verify_step(host)


def test_errors_that_a_reboot_has_zeroed_are_not_forgotten(host: Place) -> None:
    agent = host.agent()
    agent.lease()
    host.kernel.count_errors(GPU, nonfatal=2)
    agent.watch()
    host.kernel.reboot()
    agent = host.agent()
    agent.lease()
    record = agent.end()
    assert record.state is State.QUARANTINED
    assert "2 nonfatal errors during its lease" in record.reason


def test_errors_that_a_full_disk_did_not_take_are_noted_when_there_is_room(host: Place) -> None:
    full = False

    def disk(name: str) -> None:
        if full:
            raise OSError(errno.ENOSPC, "no space left on device")

    agent = host.agent(disk)
    agent.lease()
    watch = agent.watch()
    host.kernel.count_errors(GPU, nonfatal=2)
    full = True
    watch.look()
    full = False
    watch.look()
    assert host.record().lease.grown[GPU].nonfatal == 2


def test_a_disk_that_is_full_when_a_host_comes_back_hides_no_device(host: Place) -> None:
    """A device that was looked for and not found is a server's end; one that is not looked for yet is not."""
    host.agent().lease()
    host.kernel.reboot()

    def disk(name: str) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    sight = host.agent(disk).watch().sight
    observed = sight.look(0.0, {})
    assert observed is not None
    assert observed.scanned
    assert DEVICE in observed.offered
    assert DEVICE in (sight.slices() or {})
    assert "no space left" in sight.problems[0]


def test_what_a_boot_counts_before_the_guest_is_back_is_not_the_leases(host: Place) -> None:
    host.agent().lease()
    host.kernel.reboot()
    host.kernel.count_errors(GPU, nonfatal=5)
    agent = host.agent()
    agent.lease()
    assert agent.end().state is State.FREE


def test_a_second_look_without_news_writes_nothing(host: Place) -> None:
    agent = host.agent()
    agent.lease()
    path = host.state / f"devices/{DEVICE}.json"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    watch = agent.watch()
    host.kernel.count_errors(GPU, correctable=3)
    watch.look()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before, "corrected ones are not worth it"
    host.kernel.count_errors(GPU, nonfatal=1)
    watch.look()
    assert host.record().lease.grown[GPU].nonfatal == 1


def test_all_functions_of_a_card_are_counted(tmp_path: Path) -> None:
    host = place(tmp_path, two_function_group)
    host.agent().lease()
    assert set(host.record().lease.last) == {GPU}, "its audio function has no counters in this host"


# --- adding up -----------------------------------------------------------------------------------------


def test_a_counter_that_fell_began_anew() -> None:
    notes = begun(Beginning(boot=BOOT, errors={GPU: Errors(5, 1, 0)}))
    notes = counted(notes, BOOT, {GPU: Errors(2, 0, 0)})
    assert growth(notes) == {GPU: Errors(2, 0, 0)}


def test_what_is_not_counted_is_not_none_and_what_is_gone_stays() -> None:
    notes = begun(Beginning(boot=BOOT, errors={GPU: Errors(None, 1, 1)}))
    notes = counted(counted(notes, BOOT, {}), BOOT, {GPU: Errors(None, 2, 1)})
    assert growth(notes) == {GPU: Errors(None, 1, 0)}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 3)), max_size=12))
@settings(max_examples=examples(60), deadline=None)
def test_over_any_reboots_the_errors_of_a_lease_add_up(moves: list[tuple[bool, int, int]]) -> None:
    """Each move: a reboot before it or not, errors under the guest, errors that the boot makes."""
    boot, count, made = 0, 0, 0
    notes = begun(Beginning(boot="0", errors={GPU: Errors(0, 0, 0)}))
    for reboots, guests, boots in moves:
        if reboots:
            boot, count = boot + 1, boots
            notes = counted(notes, str(boot), {GPU: Errors(0, count, 0)})
        count, made = count + guests, made + guests
        notes = counted(notes, str(boot), {GPU: Errors(0, count, 0)})
        notes = LeaseNotes.model_validate_json(notes.model_dump_json())
    assert growth(notes)[GPU].nonfatal == made


def test_grave_errors_are_faults_and_many_corrected_ones_a_sign() -> None:
    found = judge_lease(GPU, Errors(MANY_CORRECTED + 1, 1, 2))
    assert [(finding.code, finding.weight) for finding in found] == [
        ("lease-fatal", Weight.FAULT),
        ("lease-nonfatal", Weight.FAULT),
        ("lease-correctable", Weight.SIGN),
    ]
    assert judge_lease(GPU, Errors(MANY_CORRECTED, 0, 0)) == ()
    assert judge_lease(GPU, Errors()) == ()
