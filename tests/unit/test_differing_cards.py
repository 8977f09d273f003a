"""What an agent logs of cards that are not cut as their layout says: once each, whoever leaves meanwhile."""

from pathlib import Path

import pytest

from hypervisor_drivers.fake import FakeDriver
from hypervisor_drivers.spec import NetworkSpec
from kcloud_common.wire import CardLayoutWant, CutWant, LayoutWant, SliceKind
from kcloud_compute.actions import PrepareDevice, ReleaseDevice
from kcloud_compute.care import Care
from kcloud_compute.cared_host import Host, Tools
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.durable import no_checkpoint
from kcloud_compute.images import ImageCache
from kcloud_compute.inventory import Looking
from kcloud_compute.observe import Senses
from kcloud_compute.paths import StatePaths
from kcloud_compute.sight import Sight, View
from tests.loglines import Line, logged
from tests.slice_bench import CARD, Bench, claim, mdev
from tests.unit.cleaning_world import signatory
from vfio.catalogue import builtin
from vfio.journal import Journal


def mdevs(count: int) -> LayoutWant:
    cut = CutWant(kind=SliceKind.MDEV, type="nvidia-222", count=count)
    return LayoutWant(version=str(count), cards=(CardLayoutWant(match=f"address:{CARD}", cuts=(cut,)),))


THREE, ONE, WHOLE = mdevs(3), mdevs(1), LayoutWant(version="whole")


class Place:
    """A card that is cut in three, and the agent of its host."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._slices = bench, bench.apply()
        paths = StatePaths(bench.folder)
        paths.make()
        journal, ledger = Journal(bench.folder / "claims"), DeviceLedger(paths.devices)
        self.ledger, self._slicer, sysfs = ledger, bench.process(), bench.sysfs()
        images = ImageCache(paths, lambda *_: None, lambda _: b"", no_checkpoint)  # type: ignore[arg-type]
        senses = Senses(FakeDriver(), sysfs, journal, ledger, images, paths)
        self.sight = Sight(senses, View(NetworkSpec(), Looking(sysfs, self._slicer, (), builtin())))
        self._layout = THREE
        host = Host(sysfs, FakeDriver(), self._slicer, journal, ledger, builtin(), self.sight.slices)
        self._care = Care(host, signatory(), Tools(), lambda _: self.look())
        self.look()

    def name(self, number: int) -> str:
        return self._slices[number].name

    def look(self, *claimed: int) -> None:
        self.sight.rescan()
        names = {self.name(number) for number in claimed}
        assert self.sight.look(0.0, {}, self._layout, names) is not None

    def wants(self, layout: LayoutWant, *claimed: int) -> None:
        self._layout = layout
        self.look(*claimed)

    def comes(self, *numbers: int) -> None:
        for number in numbers:
            self._care.prepare(PrepareDevice(claim(number), claim(number), self._slices[number], 1))

    def leaves(self, *numbers: int) -> None:
        """The agent looks at the card between any two steps of its cleaning, too."""
        for number in numbers:
            self._care.release(ReleaseDevice(claim(number), claim(number), self.name(number)))
            self.look()

    def cuts(self) -> None:
        (decision,) = self.sight.inventory.to_cut
        self._slicer.apply(decision.card, decision.plan)
        self.look()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(mdev(tmp_path))


def of_cards(lines: list[Line]) -> list[object]:
    return [line["event"] for line in lines if str(line["event"]).startswith("card_")]


def test_a_card_that_waits_for_its_servers_is_told_of_once_however_many_leave(place: Place) -> None:
    place.comes(0, 1, 2)
    with logged() as lines:
        place.wants(ONE)
        place.leaves(0, 1, 2)
        assert of_cards(lines) == ["card_differs"]
        place.cuts()
    assert of_cards(lines) == ["card_differs", "card_settled"]


def test_a_slice_in_quarantine_is_news_and_is_told_once_too(place: Place) -> None:
    place.comes(0, 1, 2)
    with logged() as lines:
        place.wants(ONE)
        place.leaves(0)
        assert of_cards(lines) == ["card_differs"]
        place.ledger.fail(place.name(0), "it smells")
        place.look()
        assert of_cards(lines) == ["card_differs"] * 2
        place.leaves(1, 2)
    assert of_cards(lines) == ["card_differs"] * 2
    _first, second = (line["reason"] for line in lines if line["event"] == "card_differs")
    assert f"its slice {place.name(0)} is quarantined" in str(second)


def test_another_layout_is_another_difference(place: Place) -> None:
    place.comes(0)
    with logged() as lines:
        for layout in (ONE, WHOLE, WHOLE):
            place.wants(layout)
    assert of_cards(lines) == ["card_differs"] * 2
    with logged() as lines:
        place.wants(THREE)
    assert of_cards(lines) == ["card_settled"]


def test_a_card_that_a_server_is_still_to_get_a_slice_of_is_not_called_settled(place: Place) -> None:
    with logged() as lines:
        place.wants(ONE, 0)
        place.look(0)
        place.comes(0)
        place.look(0)
        place.leaves(0)
    assert of_cards(lines) == ["card_differs"]


def test_a_card_whose_cutting_is_refused_was_not_settled_in_between(place: Place) -> None:
    place.comes(0)
    with logged() as lines:
        place.wants(ONE)
        place.leaves(0)
        (decision,) = place.sight.inventory.to_cut
        place.sight.refused(decision.card.name, decision.plan, "its driver will not")
        place.look()
        place.look()
    assert of_cards(lines) == ["card_differs"] * 2
