"""What the host sees of a device's health, and what that means."""

import pytest

from vfio.config_space import Damage
from vfio.device import Link
from vfio.health import Finding, Reading, Weight, aer_total, faults, judge, xids_of
from vfio.health_reading import read
from vfio.testing import FakeHost, gpu_host

GPU = "0000:41:00.0"
SEAT = Link(16.0, 16)
FATAL = "Undefined 0\nDLP 1\nMalfTLP 1\nTOTAL_ERR_FATAL 1\n"
LOG = """\
[   12.000001] NVRM: Xid (PCI:0000:41:00): 31, pid=1234, name=python3, Ch 00000010
[   13.500000] NVRM: Xid (PCI:0000:42:00): 79, pid='<unknown>', GPU has fallen off the bus.
[   14.000000] usb 1-1: NVRM is not here
[   15.000000] NVRM: Xid (PCI:0000:41:00.0): 79, pid='<unknown>', GPU has fallen off the bus.
"""


def test_the_kernels_own_total_counts_for_an_error_may_be_of_several_kinds() -> None:
    assert aer_total(FATAL) == 1


@pytest.mark.parametrize(
    ("text", "total"),
    [("RxErr 2\nBadTLP 3\n", 5), ("", None), (None, None), ("nonsense\n", None), ("TOTAL_ERR_COR 7", 7)],
)
def test_tables_without_a_total_are_added_up_and_what_is_none_is_not_zero(
    text: str | None, total: int | None
) -> None:
    assert aer_total(text) == total


def test_xid_lines_are_told_apart_by_slot() -> None:
    assert xids_of(LOG, GPU) == (31, 79)
    assert xids_of(LOG, "0000:42:00.0") == (79,)
    assert xids_of(LOG, "0000:43:00.0") == ()
    assert xids_of("", GPU) == ()


def reading(**facts: object) -> Reading:
    healthy = Reading(GPU, correctable=4, nonfatal=0, fatal=0, link=SEAT)
    return Reading(**{name: getattr(healthy, name) for name in healthy.__slots__} | facts)


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def test_a_healthy_card_with_a_past_shows_nothing() -> None:
    old = reading(correctable=10_000, nonfatal=5, fatal=2, xids=(79,))
    assert judge(old, old, SEAT) == ()
    assert judge(None, old, SEAT) == ()


@pytest.mark.parametrize(
    ("facts", "code", "weight"),
    [
        ({"present": False}, "vanished", Weight.FAULT),
        ({"config": Damage("all-ones", "it reads all ones")}, "config-all-ones", Weight.FAULT),
        ({"link": Link(16.0, 8)}, "link-narrow", Weight.FAULT),
        ({"link": Link(8.0, 16)}, "link-slower", Weight.SIGN),
        ({"link": None}, "link-lost", Weight.FAULT),
        ({"fatal": 1}, "aer-fatal", Weight.FAULT),
        ({"nonfatal": 3}, "aer-nonfatal", Weight.FAULT),
        ({"correctable": 5}, "aer-correctable", Weight.SIGN),
        ({"xids": (79,)}, "xid", Weight.FAULT),
        ({"xids": (43,)}, "xid", Weight.SIGN),
    ],
)
def test_each_sign_is_found_with_its_weight_and_evidence(
    facts: dict[str, object], code: str, weight: Weight
) -> None:
    (found,) = judge(reading(), reading(**facts), SEAT)
    assert (found.code, found.weight) == (code, weight)
    assert GPU in found.evidence
    assert faults((found,)) == ((found,) if weight is Weight.FAULT else ())


def test_a_link_that_was_slow_already_saves_power_or_is_told_as_a_sign() -> None:
    slow = reading(link=Link(2.5, 16))
    assert codes(judge(slow, slow, SEAT)) == ["link-slow"]
    assert faults(judge(slow, slow, SEAT)) == ()


def test_faults_come_first() -> None:
    now = reading(correctable=9, fatal=1, link=Link(2.5, 4))
    weights = [finding.weight for finding in judge(reading(), now, SEAT)]
    assert weights == [Weight.FAULT] * 2 + [Weight.SIGN] * 2


def test_only_xids_that_were_not_in_the_log_before_are_new() -> None:
    assert codes(judge(reading(xids=(31,)), reading(xids=(31, 48)), SEAT)) == ["xid"]
    assert "XID 48" in judge(reading(xids=(31,)), reading(xids=(31, 48)), SEAT)[0].evidence


def test_counters_that_fell_are_a_reset_and_no_finding() -> None:
    assert judge(reading(fatal=9, nonfatal=9), reading(), SEAT) == ()


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> FakeHost:
    return gpu_host(tmp_path_factory.mktemp("host"))


def test_a_healthy_function_is_read_as_healthy(host: FakeHost) -> None:
    found = read(host.sysfs(), GPU, LOG)
    assert found.present
    assert found.config is None
    assert (found.correctable, found.nonfatal, found.fatal) == (0, 0, 0)
    assert found.link == SEAT
    assert found.xids == (31, 79)
    assert judge(found, found, SEAT) == ()


def test_planted_ills_are_read_and_found(host: FakeHost) -> None:
    before = read(host.sysfs(), GPU)
    host.count_errors(GPU, fatal=1, correctable=2)
    host.train_link(GPU, 8.0, 4)
    found = judge(before, read(host.sysfs(), GPU), SEAT)
    assert codes(found) == ["link-narrow", "aer-fatal", "link-slower", "aer-correctable"]
    host.die(GPU)
    assert "config-all-ones" in codes(judge(before, read(host.sysfs(), GPU), SEAT))
    host.vanish(GPU)
    assert codes(judge(before, read(host.sysfs(), GPU), SEAT)) == ["vanished"]
