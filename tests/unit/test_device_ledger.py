"""What a host remembers of its devices: fenced leases, quarantine that lasts, chains that do not break."""

import logging
import threading
from contextlib import suppress
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from kcloud_common.certificate import Certificate
from kcloud_common.errors import Conflict
from kcloud_common.signing import fingerprint, public_key, sign, verify_chain
from kcloud_compute.cleaning import Identity, certificate_of
from kcloud_compute.device_key import KeyUnusable, load_or_make
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_record import DeviceRecord, Head, StaleLease, rebooted
from tests.thoroughness import examples
from tests.unit.cleaning_world import DEVICE, HOST_ID, SEED, signatory
from vfio.lifecycle import Event, NotAllowed, State
from vfio.sanitise.pipeline import Cleaned
from vfio.sanitise.steps import Done, Outcome, Step

CLAIM, OTHER = UUID(int=1), UUID(int=2)
BOOT = "boot-1"


class Killed(BaseException):
    """The process is gone."""


def certificate(record: DeviceRecord) -> Certificate:
    cleaned = Cleaned((Done(Step.RESET, "flr", Outcome.DONE, 1),), "C")
    return sign(certificate_of(record, Identity("10de", "20b5"), cleaned, signatory()), SEED)


def cleaned(ledger: DeviceLedger) -> Certificate:
    made = certificate(ledger.of(DEVICE))
    ledger.certify(DEVICE, made)
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> DeviceLedger:
    return DeviceLedger(tmp_path / "devices")


def again(ledger: DeviceLedger, tmp_path: Path) -> DeviceLedger:
    """As the next process of the agent reads it; nothing may have been in memory only."""
    found = DeviceLedger(tmp_path / "devices")
    assert found.all() == ledger.all()
    return found


def test_a_lease_from_its_claim_to_its_certificate_survives_a_restart_at_each_step(
    ledger: DeviceLedger, tmp_path: Path
) -> None:
    assert ledger.of(DEVICE) == DeviceRecord(device=DEVICE)
    for number in (1, 2, 3):
        ledger.claim(DEVICE, CLAIM, number)
        again(ledger, tmp_path).happened(DEVICE, Event.START)
        ledger = DeviceLedger(tmp_path / "devices")
        assert ledger.of(DEVICE).state is State.ATTACHED
        ledger.release(DEVICE, BOOT)
        ledger = again(ledger, tmp_path)
        made = cleaned(ledger)
        ledger = again(ledger, tmp_path)
        record = ledger.of(DEVICE)
        assert (record.state, record.claim_id, record.generation) == (State.FREE, None, number)
        assert record.head == Head(sequence=number, hash=fingerprint(made), generation=number)
        assert record.certificate == made
    assert list(tmp_path.joinpath("devices").iterdir()) == [tmp_path / f"devices/{DEVICE}.json"]


def test_a_claim_of_an_older_lease_is_refused_for_ever(ledger: DeviceLedger) -> None:
    ledger.claim(DEVICE, CLAIM, 7)
    with pytest.raises(StaleLease, match="older than lease 7"):
        ledger.claim(DEVICE, OTHER, 6)
    ledger.release(DEVICE, BOOT)
    cleaned(ledger)
    for number in (6, 7):
        with pytest.raises(StaleLease):
            ledger.claim(DEVICE, OTHER, number)
    with pytest.raises(StaleLease):
        ledger.claim(DEVICE, CLAIM, 7)
    assert ledger.claim(DEVICE, OTHER, 8).claim_id == OTHER


def test_a_claim_may_be_repeated_and_not_taken_over(ledger: DeviceLedger) -> None:
    first = ledger.claim(DEVICE, CLAIM, 3)
    assert ledger.claim(DEVICE, CLAIM, 3) == first
    ledger.happened(DEVICE, Event.START)
    assert ledger.claim(DEVICE, CLAIM, 3).state is State.ATTACHED
    with pytest.raises(StaleLease):
        ledger.claim(DEVICE, OTHER, 3)
    with pytest.raises(NotAllowed):
        ledger.claim(DEVICE, OTHER, 4)


def test_leases_without_numbers_are_not_fenced_but_never_doubled(ledger: DeviceLedger) -> None:
    for claim in (CLAIM, OTHER):
        ledger.claim(DEVICE, claim, 0)
        with pytest.raises(NotAllowed):
            ledger.claim(DEVICE, UUID(int=9), 0)
        ledger.release(DEVICE, BOOT)
        cleaned(ledger)
    ledger.claim(DEVICE, CLAIM, 1)
    with pytest.raises(StaleLease):
        ledger.claim(DEVICE, OTHER, 0)


def test_quarantine_keeps_its_evidence_over_restarts_and_collects_more(
    ledger: DeviceLedger, tmp_path: Path
) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    ledger.fail(DEVICE, "verify failed: all ones")
    ledger.fail(DEVICE, "verify failed: all ones")
    ledger.fail(DEVICE, "bad name \udcff " + "x" * 9000)
    ledger = again(ledger, tmp_path)
    record = ledger.of(DEVICE)
    assert record.state is State.QUARANTINED
    assert record.reason.startswith("verify failed: all ones; bad name ? xx")
    assert len(record.reason) == 4096
    assert record.claim_id == CLAIM
    assert ledger.release(DEVICE, BOOT) == record
    with pytest.raises(NotAllowed):
        ledger.claim(DEVICE, OTHER, 2)
    with pytest.raises(NotAllowed):
        ledger.certify(DEVICE, certificate(record))


def test_only_a_burn_in_leads_out_and_is_done_once_for_each_time_it_was_asked(ledger: DeviceLedger) -> None:
    ledger.fail(DEVICE, "ill")
    begun = ledger.burn_in(DEVICE, 1, BOOT)
    assert (begun.state, begun.burn_in) == (State.SANITISING, 1)
    assert ledger.burn_in(DEVICE, 1, BOOT) == begun
    ledger.fail(DEVICE, "still ill")
    record = ledger.of(DEVICE)
    assert (record.state, record.release_count, record.reason) == (State.QUARANTINED, 1, "still ill")
    assert ledger.burn_in(DEVICE, 1, BOOT).state is State.QUARANTINED
    ledger.burn_in(DEVICE, 2, BOOT)
    made = cleaned(ledger)
    assert (made.occasion, made.claim_id) == ("burn-in", None)
    assert (ledger.of(DEVICE).state, ledger.of(DEVICE).release_count) == (State.FREE, 2)


def test_a_burn_in_waits_until_the_control_plane_has_the_last_certificate(ledger: DeviceLedger) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    cleaned(ledger)
    ledger.fail(DEVICE, "ill")
    assert ledger.burn_in(DEVICE, 1, BOOT).state is State.QUARANTINED
    ledger.accepted(DEVICE, 1)
    assert ledger.burn_in(DEVICE, 1, BOOT).state is State.SANITISING


def test_a_certificate_must_follow_the_last_one(ledger: DeviceLedger) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    good = certificate(ledger.of(DEVICE))
    for wrong in (
        {"sequence": 2},
        {"previous": "1" * 64},
        {"generation": 2},
        {"device": "other"},
    ):
        with pytest.raises(Conflict):
            ledger.certify(DEVICE, good.model_copy(update=wrong))
    assert ledger.of(DEVICE).state is State.SANITISING
    ledger.certify(DEVICE, good)
    with pytest.raises(Conflict):
        ledger.certify(DEVICE, good)


def test_a_certificate_is_kept_until_the_control_plane_has_it(ledger: DeviceLedger, tmp_path: Path) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    made = cleaned(ledger)
    ledger.accepted(DEVICE, 0)
    assert again(ledger, tmp_path).of(DEVICE).certificate == made
    ledger.accepted(DEVICE, 1)
    record = again(ledger, tmp_path).of(DEVICE)
    assert (record.certificate, record.head.sequence) == (None, 1)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"\x00" * 100,
        b'{"version":2,"device":"pci_0000_41_00_0"}',
        b'{"version":1,"device":"pci_0000_42_00_0","state":"free"}',
        b'{"version":1,"device":"pci_0000_41_00_0","state":"perhaps"}',
        b'{"version":1,"device":"pci_0000_41_00_0","more":1}',
    ],
)
def test_a_damaged_record_is_quarantine_and_never_free(tmp_path: Path, text: bytes) -> None:
    folder = tmp_path / "devices"
    DeviceLedger(folder)
    (folder / f"{DEVICE}.json").write_bytes(text)
    ledger = DeviceLedger(folder)
    assert ledger.of(DEVICE).state is State.QUARANTINED
    assert "is damaged" in ledger.of(DEVICE).reason
    with pytest.raises(NotAllowed):
        ledger.claim(DEVICE, CLAIM, 99)
    ledger.fail(DEVICE, "more")
    assert (folder / f"{DEVICE}.json").read_bytes() == text


def test_every_cut_of_a_record_is_damage(ledger: DeviceLedger, tmp_path: Path) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    path = tmp_path / f"devices/{DEVICE}.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert DeviceLedger(tmp_path / "devices").of(DEVICE).state is State.QUARANTINED


def test_a_lost_record_can_take_up_the_chain_where_the_control_plane_knows_it(tmp_path: Path) -> None:
    folder = tmp_path / "devices"
    DeviceLedger(folder)
    (folder / f"{DEVICE}.json").write_text("lost")
    ledger = DeviceLedger(folder)
    ledger.burn_in(DEVICE, 1, BOOT, Head(sequence=6, hash="a" * 64, generation=5))
    made = cleaned(DeviceLedger(folder))
    assert (made.sequence, made.previous, made.generation) == (7, "a" * 64, 5)


def test_a_host_that_has_no_record_takes_the_chain_up_too(ledger: DeviceLedger) -> None:
    ledger.fail(DEVICE, "ill")
    ledger.burn_in(DEVICE, 1, BOOT, Head(sequence=6, hash="a" * 64, generation=5))
    made = cleaned(ledger)
    assert (made.sequence, made.previous, made.generation) == (7, "a" * 64, 5)


def test_a_sound_record_does_not_listen_to_others_about_its_chain(ledger: DeviceLedger) -> None:
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    cleaned(ledger)
    ledger.accepted(DEVICE, 1)
    ledger.fail(DEVICE, "ill")
    ledger.burn_in(DEVICE, 1, BOOT, Head(sequence=6, hash="a" * 64, generation=5))
    assert cleaned(ledger).sequence == 2


def test_only_a_start_of_the_host_after_the_last_known_lease_counts_as_one(ledger: DeviceLedger) -> None:
    assert not rebooted(ledger.of(DEVICE), "boot-2")
    ledger.claim(DEVICE, CLAIM, 1)
    ledger.release(DEVICE, BOOT)
    assert not rebooted(ledger.of(DEVICE), BOOT)
    assert rebooted(ledger.of(DEVICE), "boot-2")
    assert not rebooted(ledger.of(DEVICE), "")


def test_a_lease_that_may_have_been_forgotten_ended_in_this_boot(ledger: DeviceLedger) -> None:
    ledger.fail(DEVICE, "ill")
    record = ledger.burn_in(DEVICE, 1, BOOT)
    assert not rebooted(record, BOOT)
    assert rebooted(record, "boot-2")


def test_notes_of_another_boot_do_not_come_back(ledger: DeviceLedger, tmp_path: Path) -> None:
    ledger.notes(DEVICE, BOOT).write({"sys/b": "1", "sys/a": "2"})
    ledger = again(ledger, tmp_path)
    assert list(ledger.notes(DEVICE, BOOT).read().items()) == [("sys/b", "1"), ("sys/a", "2")]
    assert ledger.notes(DEVICE, "boot-2").read() == {}


def test_a_name_that_would_leave_the_folder_is_refused(ledger: DeviceLedger) -> None:
    for name in ("../x", "a/b", ""):
        with pytest.raises(ValueError, match="not a device's name"):
            ledger.claim(name, CLAIM, 1)
    for name in ("..", ".", "a.new", "b.json"):
        ledger.claim(name, CLAIM, 1)
    assert set(ledger.all()) == {"..", ".", "a.new", "b.json"}


# --- a process that dies -----------------------------------------------------------------------------


ACTS = ("claim", "start", "stop", "release", "certify", "fail", "burn in", "note", "accepted")


def act(ledger: DeviceLedger, name: str) -> None:
    record = ledger.of(DEVICE)
    if name == "claim":
        ledger.claim(DEVICE, UUID(int=record.generation + 1), record.generation + 1)
    elif name == "release":
        ledger.release(DEVICE, BOOT)
    elif name == "certify":
        ledger.certify(DEVICE, certificate(record))
    elif name == "fail":
        ledger.fail(DEVICE, "ill")
    elif name == "burn in":
        ledger.burn_in(DEVICE, record.release_count + 1, BOOT)
    elif name == "note":
        ledger.notes(DEVICE, BOOT).write({"a": "1"})
    elif name == "accepted":
        ledger.accepted(DEVICE, record.head.sequence)
    else:
        ledger.happened(DEVICE, Event(name))


class Gallows:
    """Kills the process at its n-th checkpoint."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, name: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed(name)


@pytest.mark.parametrize("name", ACTS)
def test_a_process_killed_at_any_line_of_any_act_leaves_the_record_of_before_or_after(
    tmp_path: Path, name: str
) -> None:
    for number, path in enumerate(PATHS):
        folder = tmp_path / str(number)
        ledger = DeviceLedger(folder)
        for before in path:
            act(ledger, before)
        was = ledger.of(DEVICE)
        try:
            act(ledger, name)
        except (NotAllowed, Conflict):
            assert DeviceLedger(folder).of(DEVICE) == was
            continue
        becomes = ledger.of(DEVICE)
        for left in range(3):
            fresh = tmp_path / f"{number}-{left}"
            ledger = DeviceLedger(fresh)
            for before in path:
                act(ledger, before)
            try:
                act(DeviceLedger(fresh, Gallows(left)), name)
            except Killed:
                assert left < 2
            found = DeviceLedger(fresh).of(DEVICE)
            assert found in (was, becomes)
            assert left == 0 or found == becomes


PATHS = (
    (),
    ("claim",),
    ("claim", "start"),
    ("claim", "release"),
    ("claim", "release", "note"),
    ("claim", "release", "certify"),
    ("fail",),
    ("fail", "burn in"),
    ("withdraw",),
)


def test_no_history_of_the_ledger_with_crashes_hands_out_a_quarantined_device_or_breaks_the_chain(
    tmp_path: Path,
) -> None:
    """Up to a hundred histories; each act may be killed at any of its lines, and a new process goes on."""
    keys = {HOST_ID: {public_key(SEED)}}
    for seed in range(examples(100)):
        chance, folder = Random(seed), tmp_path / str(seed)
        chain: list[Certificate] = []
        for _ in range(25):
            was = DeviceLedger(folder).of(DEVICE)
            name = chance.choice((*ACTS, "claim", "withdraw", "return"))
            with suppress(NotAllowed, Conflict, Killed):
                act(DeviceLedger(folder, Gallows(chance.randrange(6))), name)
            now = DeviceLedger(folder).of(DEVICE)
            if now.certificate is not None and now.certificate not in chain:
                chain.append(now.certificate)
            if now.generation > was.generation:
                assert was.state is State.FREE
                assert was.generation in (0, was.head.generation)
            if now.state is State.FREE and was.state is State.SANITISING:
                assert now.head.sequence == was.head.sequence + 1
        assert verify_chain(chain, keys) == []


def test_threads_take_turns(ledger: DeviceLedger) -> None:
    won: list[int] = []

    def claim(number: int) -> None:
        try:
            ledger.claim(DEVICE, UUID(int=number), 1)
        except StaleLease:
            return
        won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


# --- the key -----------------------------------------------------------------------------------------


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "certificate.key"
    seed = load_or_make(path)
    assert len(seed) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make(path) == seed


def test_a_process_killed_while_it_makes_the_key_leaves_none_or_the_one(tmp_path: Path) -> None:
    for left in range(3):
        path = tmp_path / f"{left}.key"
        try:
            load_or_make(path, Gallows(left))
        except Killed:
            assert left < 2
        kept = path.read_bytes() if path.exists() else None
        seed = load_or_make(path)
        assert kept is None or kept == f"{seed.hex()}\n".encode()
        assert load_or_make(path) == seed


def test_a_key_that_others_may_read_or_that_is_damaged_is_refused_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "certificate.key"
    load_or_make(path)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="may read"):
        load_or_make(path)
    path.chmod(0o600)
    path.write_text("00")
    with pytest.raises(KeyUnusable, match="damaged"):
        load_or_make(path)
    assert path.read_text() == "00"


def test_a_key_that_is_gone_is_made_anew_loudly_where_it_had_signed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        load_or_make(tmp_path / "first.key")
        assert [record.levelname for record in caplog.records] == ["INFO"]
        load_or_make(tmp_path / "second.key", certified=3)
    told = caplog.records[-1]
    assert (told.getMessage(), told.levelname) == ("certificate_key_lost", "ERROR")
    assert {"path", "reason", "mend"} <= vars(told).keys()
    caplog.clear()
    load_or_make(tmp_path / "second.key", certified=3)
    assert caplog.records == []


def test_a_chain_goes_on_under_a_new_key_and_verifies_with_both(ledger: DeviceLedger, tmp_path: Path) -> None:
    keys = [load_or_make(tmp_path / name) for name in ("old.key", "new.key")]
    chain = []
    for number, seed in enumerate((keys[0], keys[1], keys[1]), start=1):
        ledger.claim(DEVICE, UUID(int=number), number)
        ledger.release(DEVICE, BOOT)
        chain.append(sign(certificate(ledger.of(DEVICE)), seed))
        ledger.certify(DEVICE, chain[-1])
        ledger.accepted(DEVICE, number)
    public = [public_key(seed) for seed in keys]
    assert verify_chain(chain, {HOST_ID: public}) == []
    assert len(verify_chain(chain, {HOST_ID: public[1:]})) == 1
