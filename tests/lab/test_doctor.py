"""`kcloud doctor` on a real host that is fit for passthrough."""

import json
from typing import Any

import pytest

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.lab.machine import LabMachine

pytestmark = pytest.mark.lab


def examined(lab: LabMachine, *words: str) -> tuple[int, dict[str, Any]]:
    status, out, err = lab.remote.attempt(["/opt/kcloud/bin/kcloud", "doctor", "--json", *words])
    assert out, err
    report: dict[str, Any] = json.loads(out)
    return status, report


def test_a_fit_host_passes_and_its_offer_is_named(lab: LabMachine) -> None:
    status, report = examined(lab, "--offer", f"address:{NPU_ADDRESS}=CUSTOM_NPU")
    assert status == 0, report["findings"]
    told = [
        finding
        for finding in report["findings"]
        if finding["check"] in ("iommu", "vfio", "devices", "libvirt")
    ]
    assert told == []
    assert report["host"]["kvm"] == "usable"
    assert report["host"]["libvirt"]
    assert report["host"]["iommu"].startswith("DMA")
    assert [offer["name"] for offer in report["offers"]] == ["pci_0000_41_00_0"]


def test_a_device_that_cannot_be_offered_is_explained(lab: LabMachine) -> None:
    _, report = examined(lab, "--offer", "address:0000:0a:02.0=CUSTOM_EDU")
    finding = next(each for each in report["findings"] if each["check"] == "devices")
    assert finding["code"] == "device_group_shared"
    assert finding["severity"] == "warning"
    assert "0000:0a:01.0" in finding["evidence"] + finding["summary"]
    assert finding["mend"]
    assert report["offers"] == []
