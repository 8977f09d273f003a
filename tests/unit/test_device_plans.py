"""What is done for devices' own sake: never what would change nothing, for it would be done again at once."""

from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.certificate import NO_CERTIFICATE
from kcloud_common.signing import unsigned
from kcloud_common.wire import DeviceWant
from kcloud_compute.actions import CleanDevice
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.device_plans import device_actions
from kcloud_compute.observed import Held, Observed
from tests.unit.agent_world import BOOT, DEVICES

NAME = "pci_0000_41_00_0"
CLAIM = UUID(int=0xC1)
ASKED = DeviceWant(name=NAME, release_count=1)


@pytest.fixture
def ledger(tmp_path: Path) -> DeviceLedger:
    """Of a device that was let and cleaned; the control plane does not have its certificate yet."""
    ledger = DeviceLedger(tmp_path)
    ledger.claim(NAME, CLAIM, 1)
    ledger.release(NAME, str(BOOT))
    facts = {"device": NAME, "host_id": UUID(int=1), "vendor_id": "10de", "product_id": "20b5", "steps": ()}
    place = {"sequence": 1, "generation": 1, "previous": NO_CERTIFICATE, "occasion": "lease", "grade": "C"}
    ledger.certify(NAME, unsigned({**facts, **place, "issued_at": "2030-01-01T00:00:00Z"}))
    return ledger


def seen(ledger: DeviceLedger, **more: object) -> Observed:
    return Observed(BOOT, offered=DEVICES, devices=ledger.all(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("ill", [False, True], ids=["free", "quarantined"])
def test_a_burn_in_is_not_tried_before_the_control_plane_has_the_last_certificate(
    ledger: DeviceLedger, ill: bool
) -> None:
    if ill:
        ledger.fail(NAME, "it is ill")
    assert device_actions([ASKED], seen(ledger)) == ()
    ledger.accepted(NAME, 1)
    assert device_actions([ASKED], seen(ledger)) == (CleanDevice(NAME, 1),)
    began = ledger.of(NAME)
    assert ledger.burn_in(NAME, 1, str(BOOT)) != began


def test_a_device_that_a_claim_holds_is_not_burned_in(ledger: DeviceLedger) -> None:
    ledger.accepted(NAME, 1)
    assert device_actions([ASKED], seen(ledger, claims={CLAIM: Held(device=NAME)})) == ()
