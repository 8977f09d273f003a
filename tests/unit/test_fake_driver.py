"""The fake hypervisor's own side: what the contract of all drivers does not say about it."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from uuid import UUID

import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.fake import FakeDriver, open_driver
from hypervisor_drivers.spec import DomainSpec, DomainState, HostdevSpec, NetworkSpec, NicSpec
from tests.domain_specs import GOLDEN

GPU = HostdevSpec("0000:41:00.0")


@pytest.fixture
def spec(tmp_path: Path) -> DomainSpec:
    return replace(GOLDEN["least"], disks=(), console_log=PurePosixPath(tmp_path / "console.log"))


@pytest.fixture
def driver(spec: DomainSpec) -> FakeDriver:
    driver = FakeDriver()
    driver.define(spec)
    return driver


def test_the_console_names_the_devices_and_says_that_the_guest_is_ready(spec: DomainSpec) -> None:
    driver = FakeDriver()
    driver.define(replace(spec, hostdevs=(GPU, HostdevSpec("0000:41:00.1"))))
    driver.start(spec.uuid)

    lines = Path(spec.console_log).read_text().splitlines()
    assert "hostdevs: 0000:41:00.0 0000:41:00.1" in lines
    assert lines[-1] == "GUEST-READY"


def test_a_device_that_another_guest_has_cannot_be_taken(spec: DomainSpec) -> None:
    driver = FakeDriver()
    second = replace(spec, uuid=UUID(int=2), name="second", hostdevs=(GPU,))
    for one in (replace(spec, hostdevs=(GPU,)), second):
        driver.define(one)
    driver.start(spec.uuid)

    with pytest.raises(DriverError, match=r"0000:41:00\.0 is in use"):
        driver.start(second.uuid)
    driver.stop(spec.uuid, grace_seconds=0)
    driver.start(second.uuid)


def test_a_verb_told_to_fail_changes_nothing_and_works_at_the_next_turn(
    driver: FakeDriver, spec: DomainSpec
) -> None:
    driver.fail("start", DriverRefused("not today"))
    with pytest.raises(DriverRefused, match="not today"):
        driver.start(spec.uuid)
    assert driver.domains()[spec.uuid].state is DomainState.SHUTOFF

    driver.start(spec.uuid)
    assert driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_a_lost_connection_fails_every_verb_until_it_is_found(driver: FakeDriver, spec: DomainSpec) -> None:
    rung: list[bool] = []
    driver.watch(lambda: rung.append(True))
    driver.lose_connection()
    with pytest.raises(DriverError):
        driver.domains()
    driver.find_connection()

    assert spec.uuid in driver.domains()
    assert len(rung) == 2


def test_after_a_power_cut_domains_are_defined_and_off(tmp_path: Path, spec: DomainSpec) -> None:
    driver = open_driver(f"fake://{tmp_path}/host")
    driver.define(spec)
    driver.start(spec.uuid)
    driver.reboot_host()

    assert open_driver(f"fake://{tmp_path}/host").domains()[spec.uuid].state is DomainState.SHUTOFF


def test_domains_in_a_folder_are_found_by_the_next_driver_and_those_in_memory_are_not(
    tmp_path: Path, spec: DomainSpec
) -> None:
    for uri, found in ((f"fake://{tmp_path}/host", True), ("fake:", False)):
        open_driver(uri).define(replace(spec, hostdevs=(GPU,)))
        assert (spec.uuid in open_driver(uri).domains()) is found


def test_an_address_is_of_the_network_and_the_same_at_each_boot(spec: DomainSpec) -> None:
    driver = FakeDriver()
    driver.ensure_network(NetworkSpec("kcloud", "kcloud0", "10.20.30.0/24"))
    driver.define(replace(spec, nics=(NicSpec("fa:16:3e:00:00:01", "kcloud"),)))
    assert driver.addresses(spec.uuid) == ()

    driver.start(spec.uuid)
    first = driver.addresses(spec.uuid)
    driver.reboot(spec.uuid)
    assert first == driver.addresses(spec.uuid)
    assert first[0].startswith("10.20.30.")


def test_calls_are_remembered_in_order(driver: FakeDriver, spec: DomainSpec) -> None:
    driver.start(spec.uuid)
    driver.stop(spec.uuid, grace_seconds=0)

    assert [verb for verb, _ in driver.calls] == ["define", "start", "stop"]


def test_a_forced_virtualisation_type_is_what_capabilities_say() -> None:
    assert open_driver("fake:", "kvm").capabilities().virt_type == "kvm"
