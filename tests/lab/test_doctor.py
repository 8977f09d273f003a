"""`kcloud doctor` on a real host that is fit for passthrough."""

import pytest

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.lab.machine import LabMachine

pytestmark = pytest.mark.lab


def test_a_fit_host_passes_and_its_offer_is_named(lab: LabMachine) -> None:
    status, findings = lab.doctor("--offer", f"address:{NPU_ADDRESS}=CUSTOM_NPU")
    assert status == 0, findings
    for check in ("iommu", "vfio", "kvm", "libvirt"):
        assert findings[check]["severity"] == "ok", findings[check]
    assert "pci_0000_41_00_0" in findings["devices"]["summary"]


def test_a_device_that_cannot_be_offered_is_explained(lab: LabMachine) -> None:
    _, findings = lab.doctor("--offer", "address:0000:0a:02.0=CUSTOM_EDU")
    assert findings["devices"]["severity"] != "ok"
    assert "0000:0a:01.0" in findings["devices"]["evidence"] + findings["devices"]["summary"]
    assert findings["devices"]["mend"]
