"""What operators read of layouts: no class names, and each text says what, why and what comes of it."""

import inspect

import pytest

from kcloud_compute import faults
from kcloud_compute.inventory import _remembering
from vfio import errors
from vfio.device import PciDevice
from vfio.errors import BindingError, SysfsError
from vfio.layout import Decision
from vfio.slices.model import Card, Cut, Kind, Plan
from vfio.slices.plans import plan_refusal

DEVICE = PciDevice(
    address="0000:41:00.0", vendor=0x10DE, product=0x26B9, subsystem_vendor=0, subsystem_product=0,
    class_code=0x030200, revision=0, driver="nvidia", driver_override=None, iommu_group=1, numa_node=0,
    pci_path=(), bars=(), sriov_total_vfs=32, sriov_num_vfs=0, physfn=None, reset_methods=(),
    is_bridge=False, boot_vga=False, link=None,
)  # fmt: skip
CARD = Card(DEVICE.name, DEVICE, (DEVICE.address,))
CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, Exception) and each.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_words_of_a_failure_begin_with_its_class(kind: type[Exception]) -> None:
    if issubclass(kind, SysfsError):
        error: Exception = kind("writing", "sys/x", 16, "Device or resource busy")
    else:
        error = kind("the card is in use")
    found = faults.failure(error)
    if faults.is_expected(error):
        assert found.words == str(error)
    assert found.fault.details.startswith(kind.__name__), "a server's fault still says it, for whoever debugs"


def test_what_nobody_expected_keeps_its_class_for_its_words_alone_say_nothing() -> None:
    assert faults.failure(KeyError("x")).words == "KeyError: 'x'"


def test_a_plan_that_a_card_has_refused_is_drift_in_whole_sentences() -> None:
    plan = Plan((Cut(Kind.MDEV, "nvidia-558", 4),))
    words = faults.failure(BindingError(f"{CARD.name}: only 2 of 4 of type nvidia-558 fit")).words
    drift = _remembering(Decision(CARD, plan, act=True), {CARD.name: (plan, words)}).drift
    assert drift == (
        "card pci_0000_41_00_0 shall be 4 mdev nvidia-558 and is as it was before: only 2 of 4 of type "
        "nvidia-558 fit. Change the layout's rule for it, or let the rule say what it is: it is tried again "
        "then, and when the agent starts."
    )


@pytest.mark.parametrize(
    ("cuts", "way_out"),
    [
        ((Cut(Kind.VF), Cut(Kind.XE_VF)), "keep one"),
        ((Cut(Kind.VF, count=0),), "leave that out"),
        ((Cut(Kind.MDEV),), "kcloud card show"),
        ((Cut(Kind.MDEV, "a"), Cut(Kind.MDEV, "a")), "in one of them"),
    ],
)
def test_what_no_card_can_be_is_refused_with_a_way_out(cuts: tuple[Cut, ...], way_out: str) -> None:
    assert way_out in plan_refusal(CARD, Plan(cuts))
