"""A link that an operator has accepted, because slot or riser will never do more."""

from pathlib import Path

import pytest

from kcloud_compute.conf import DevicesConf
from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import DEVICE, GPU
from vfio.accepted_link import expected, parse
from vfio.device import Link
from vfio.lifecycle import State

EIGHT = Link(16.0, 8)


@pytest.fixture
def riser(tmp_path: Path) -> Place:
    found = place(tmp_path)
    found.kernel.train_link(GPU, 16.0, 8)
    return found


def test_a_narrow_link_names_the_way_out(riser: Place) -> None:
    assert "runs on 8 lanes of 16" in riser.agent().watch().ill()
    riser.agent().care.quarantine(DEVICE, riser.agent().watch().ill())
    record = riser.agent().burn_in(1)
    assert record.state is State.QUARANTINED
    assert f"[devices] accepted_link = {GPU}=16x8" in record.reason


def test_an_accepted_one_is_quiet_passes_its_burn_in_and_stands_in_the_certificate(riser: Place) -> None:
    riser.agent().care.quarantine(DEVICE, riser.agent().watch().ill())
    riser.accepted = dict([parse(f"{GPU}=16x8")])
    agent = riser.agent()
    watch = agent.watch()
    assert (watch.ill(), watch.health().evidence) == ("", "")
    record = agent.burn_in(1)
    assert record.state is State.FREE
    assert record.certificate is not None
    (told, *_) = (step.evidence for step in record.certificate.steps if step.name == "verify")
    assert "link 16 GT/s x8 (of 16x16; the operator has accepted 16x8)" in told


def test_less_than_was_accepted_is_a_fault_again(riser: Place) -> None:
    riser.accepted = {GPU: EIGHT}
    riser.kernel.train_link(GPU, 16.0, 4)
    assert "runs on 4 lanes of 8" in riser.agent().watch().ill()


def test_what_was_accepted_never_asks_for_more_than_the_seat_can_do() -> None:
    assert expected(Link(8.0, 4), EIGHT) == Link(8.0, 4)
    assert expected(Link(32.0, 16), EIGHT) == EIGHT
    assert expected(None, EIGHT) is None
    assert expected(EIGHT, None) == EIGHT


@pytest.mark.parametrize(
    ("line", "link"),
    [
        ("0000:41:00.0=16x8", EIGHT),
        (" 10000:01:00.0 = 2.5x1 ", Link(2.5, 1)),
        ("0000:41:00.0=8.0x16", Link(8.0, 16)),
    ],
)
def test_an_option_names_function_and_link(line: str, link: Link) -> None:
    address, found = parse(line)
    assert (address, found) == (line.partition("=")[0].strip(), link)


@pytest.mark.parametrize(
    "line", ["", "0000:41:00.0", "0000:41:00.0=8", "0000:41:00.0=16x3", "41:00.0=16x8", "0000:41:00.0=0x8"]
)
def test_an_option_that_makes_no_sense_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"want|not a PCI address"):
        parse(line)


def test_nothing_is_accepted_unless_somebody_says_so() -> None:
    assert DevicesConf().accepted_link == ()
