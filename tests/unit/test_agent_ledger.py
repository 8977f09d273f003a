"""When something is tried again, when it is given up, and what failures are called."""

import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from kcloud_common.errors import Unavailable
from kcloud_compute.faults import Failure, failure
from kcloud_compute.images import BadImage, ImageDamaged
from kcloud_compute.ledger import Ledger
from kcloud_compute.pauses import Pauses
from tests.unit.agent_world import absent, want
from vfio.errors import BindFailed, DeviceBusy, DeviceGone, NotRestored, NotViable

PASSING = failure(DriverError("busy"))
LASTING = failure(DriverRefused("never"))


def test_a_passing_failure_waits_longer_each_time() -> None:
    ledger, now, pauses = Ledger(window=300), 100.0, []
    for _ in range(7):
        ledger.failed(want(), PASSING, now)
        pause = ledger.next_try(now, ())
        pauses.append(pause)
        assert not ledger.may_try(want(), now + pause - 0.01)
        assert ledger.may_try(want(), now + pause)
        assert ledger.is_retrying(want())
        now += pause
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert ledger.of(want().id).fault is None
    assert ledger.of(want().id).settled == 0


def test_a_failure_that_outlasts_the_window_is_given_up_until_the_want_changes() -> None:
    ledger = Ledger(window=60)
    ledger.failed(want(), PASSING, 100.0)
    ledger.failed(want(), PASSING, 161.0)
    standing = ledger.of(want().id)
    assert standing.fault == PASSING.fault
    assert standing.settled == want().generation
    assert not ledger.may_try(want(), 1e9)
    assert not ledger.is_retrying(want())
    newer = want(generation=4)
    assert ledger.may_try(newer, 161.0)
    ledger.failed(newer, PASSING, 162.0)
    assert ledger.of(newer.id).fault is None


def test_a_lasting_failure_is_given_up_at_once() -> None:
    ledger = Ledger(window=60)
    ledger.failed(want(), LASTING, 100.0)
    assert not ledger.may_try(want(), 1e9)
    assert ledger.next_try(100.0, ()) == float("inf")


def test_a_removal_is_never_given_up() -> None:
    ledger = Ledger(window=0)
    ledger.failed(absent(), LASTING, 100.0)
    assert ledger.of(absent().id).fault is not None
    assert ledger.of(absent().id).settled == absent().generation
    assert ledger.is_retrying(absent())
    assert ledger.may_try(absent(), 101.0)


def test_success_forgets_failures() -> None:
    ledger = Ledger(window=60)
    ledger.failed(want(), PASSING, 100.0)
    ledger.settled(want())
    assert ledger.of(want().id).settled == 3
    assert not ledger.is_retrying(want())
    ledger.keep_only(set())
    assert ledger.of(want().id).settled == 0


def test_what_is_worked_on_does_not_make_the_timer_ring() -> None:
    ledger = Ledger(window=60)
    ledger.failed(want(), PASSING, 100.0)
    assert ledger.next_try(200.0, ()) == 0.0
    assert ledger.next_try(200.0, {want().id}) == float("inf")


def test_other_jobs_pause_too() -> None:
    pauses: Pauses[str] = Pauses()
    assert pauses.may_try("a", 0.0)
    pauses.failed("a", 10.0)
    assert not pauses.may_try("a", 10.5)
    assert pauses.due(10.5) == 0.5
    assert pauses.may_try("a", 11.0)
    assert pauses.due(11.0) == float("inf")
    pauses.succeeded("a")
    assert pauses.may_try("a", 10.5)


def test_what_is_not_tried_any_more_is_forgotten() -> None:
    """A server that is gone is never heard of again, and an agent runs for years."""
    pauses: Pauses[str] = Pauses()
    pauses.failed("gone", 0.0)
    pauses.failed("gone", 10.0)
    assert pauses.wait("gone", 10.0) == 2.0
    pauses.failed("another", 10_000.0)
    pauses.failed("gone", 10_000.0)
    assert pauses.wait("gone", 10_000.0) == 1.0


@pytest.mark.parametrize(
    ("error", "code", "permanent"),
    [
        (DriverError("x"), "hypervisor_failed", False),
        (DriverRefused("x"), "hypervisor_refused", True),
        (BadImage("x"), "bad_image", True),
        (ImageDamaged("x"), "image_damaged", False),
        (Unavailable("x"), "unavailable", False),
        (NotViable("x"), "device_not_viable", True),
        (DeviceGone("x"), "device_gone", True),
        (DeviceBusy("x"), "device_busy", False),
        (BindFailed("x"), "device_not_bound", False),
        (NotRestored("x"), "device_not_restored", False),
        (OSError(28, "No space left on device"), "host_io", False),
        (RuntimeError("x"), "internal_error", False),
    ],
)
def test_each_failure_has_a_code_and_says_whether_it_lasts(
    error: Exception, code: str, permanent: bool
) -> None:
    found = failure(error)
    assert isinstance(found, Failure)
    assert (found.fault.code, found.permanent) == (code, permanent)


def test_the_tenant_reads_no_paths_and_no_addresses() -> None:
    words = "0000:41:00.0 at /var/lib/kcloud on host node-7"
    for kind in (DriverError, NotViable, BadImage, OSError, RuntimeError):
        fault = failure(kind(words)).fault
        assert "0000" not in fault.message
        assert "/var" not in fault.message
        assert "node-7" not in fault.message
        assert "node-7" in fault.details
