"""The contract of hypervisor drivers: the same sentences about the fake and about QEMU under libvirt."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.spec import DiskSpec, DomainSpec, DomainState, NetworkSpec, NicSpec
from tests.boot_sector import DEAF
from tests.contract.drivers import Bell, Bench, fake_bench, generation, libvirt_bench, wait_for_line
from tests.libvirtd import PrivateLibvirtd, private_libvirtd


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    with private_libvirtd(tmp_path_factory.mktemp("libvirtd")) as handle:
        yield handle


@pytest.fixture(params=["fake", pytest.param("libvirt", marks=pytest.mark.libvirt)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        with fake_bench(tmp_path) as made:
            yield made
    else:
        with libvirt_bench(tmp_path, request.getfixturevalue("libvirtd")) as made:
            yield made


def test_capabilities_say_what_runs_here(bench: Bench) -> None:
    found = bench.driver.capabilities()

    assert found.arch == "x86_64"
    assert found.virt_type in ("kvm", "qemu")
    assert found.vcpus > 0
    assert found.memory_mib > 0
    assert found.version[0].isdigit()


def test_a_defined_domain_is_seen_and_does_not_run(bench: Bench) -> None:
    spec = bench.spec()
    bench.driver.define(spec)

    seen = bench.driver.domains()[spec.uuid]
    assert (seen.state, seen.name, seen.metadata) == (DomainState.SHUTOFF, spec.name, spec.metadata)


def test_defining_twice_changes_nothing(bench: Bench) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    before = bench.driver.domains()
    bench.driver.define(spec)

    assert bench.driver.domains() == before


def test_a_new_definition_replaces_the_old_one(bench: Bench) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    nic = NicSpec("fa:16:3e:00:00:01", bench.network.name)
    bench.driver.define(replace(generation(spec, 2), title="renamed", nics=(nic,)))

    seen = bench.driver.domains()[spec.uuid]
    assert (seen.metadata.generation, seen.macs) == (2, (nic.mac,))


def test_a_running_domain_shows_new_metadata_at_once_and_new_hardware_after_its_next_start(
    bench: Bench,
) -> None:
    bench.driver.ensure_network(bench.network)
    spec = _running(bench)
    nic = NicSpec("fa:16:3e:00:00:02", bench.network.name)
    bench.driver.define(replace(generation(spec, 2), title="renamed", nics=(nic,)))

    seen = bench.driver.domains()[spec.uuid]
    assert (seen.state, seen.metadata.generation, seen.macs) == (DomainState.RUNNING, 2, ())

    bench.driver.stop(spec.uuid, grace_seconds=0)
    bench.driver.start(spec.uuid)
    assert bench.driver.domains()[spec.uuid].macs == (nic.mac,)


def test_a_domain_that_no_hypervisor_runs_is_refused(bench: Bench) -> None:
    spec = replace(bench.spec(), virt_type="abacus")
    with pytest.raises(DriverRefused):
        bench.driver.define(spec)

    assert spec.uuid not in bench.driver.domains()


def test_a_name_that_another_domain_has_is_refused(bench: Bench) -> None:
    first, second = bench.spec(), bench.spec()
    bench.driver.define(first)

    with pytest.raises(DriverRefused, match=str(first.uuid)):
        bench.driver.define(replace(second, name=first.name))


def test_starting_twice_starts_once(bench: Bench) -> None:
    spec = _running(bench)
    bench.driver.start(spec.uuid)

    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_the_console_log_keeps_what_earlier_boots_wrote(bench: Bench) -> None:
    spec = bench.spec()
    log = Path(spec.console_log)
    log.write_text("an earlier boot\n")
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)

    assert log.read_text().startswith("an earlier boot\n")


def test_a_start_without_its_disk_fails_for_now_and_works_when_the_disk_is_there(bench: Bench) -> None:
    spec = bench.spec()
    disk = Path(spec.disks[0].path)
    hidden = disk.rename(disk.with_suffix(".hidden"))
    bench.driver.define(spec)
    with pytest.raises(DriverError) as failure:
        bench.driver.start(spec.uuid)
    assert not isinstance(failure.value, DriverRefused)
    assert str(disk) in str(failure.value)

    hidden.rename(disk)
    bench.driver.start(spec.uuid)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_a_start_without_its_network_fails_for_now(bench: Bench) -> None:
    spec = replace(bench.spec(), nics=(NicSpec("fa:16:3e:00:00:03", "nowhere"),))
    bench.driver.define(spec)

    with pytest.raises(DriverError, match="nowhere") as failure:
        bench.driver.start(spec.uuid)
    assert not isinstance(failure.value, DriverRefused)
    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_stopping_asks_the_guest_first(bench: Bench) -> None:
    spec = _running(bench)
    bench.driver.stop(spec.uuid, grace_seconds=60)

    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_a_guest_that_does_not_hear_loses_power_after_its_grace(bench: Bench) -> None:
    spec = bench.spec(program=DEAF)
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    bench.driver.stop(spec.uuid, grace_seconds=0.2)

    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_stopping_twice_stops_once(bench: Bench) -> None:
    spec = _running(bench)
    for _ in range(2):
        bench.driver.stop(spec.uuid, grace_seconds=0)

    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_rebooting_leaves_a_domain_running_whether_it_ran_or_not(bench: Bench) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    for _ in range(2):
        bench.driver.reboot(spec.uuid)
        assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_undefining_a_running_domain_leaves_nothing_of_it(bench: Bench) -> None:
    spec = _running(bench)
    for _ in range(2):
        bench.driver.undefine(spec.uuid)

    assert spec.uuid not in bench.driver.domains()


def test_an_unknown_domain_is_stopped_and_gone_already_and_cannot_start(bench: Bench) -> None:
    unknown = uuid4()
    bench.driver.stop(unknown, grace_seconds=5)
    bench.driver.undefine(unknown)
    assert bench.driver.addresses(unknown) == ()
    for verb in (bench.driver.start, bench.driver.reboot):
        with pytest.raises(DriverError) as failure:
            verb(unknown)
        assert not isinstance(failure.value, DriverRefused)


def test_domains_outlive_the_driver_that_defined_them(bench: Bench) -> None:
    running, defined = _running(bench), bench.spec()
    bench.driver.define(defined)
    before = bench.driver.domains()

    assert bench.reopen().domains() == before
    assert before[running.uuid].state is DomainState.RUNNING


def test_a_watcher_hears_of_a_start_and_of_a_guest_that_powers_itself_off(bench: Bench) -> None:
    bell, spec = Bell(), bench.spec()
    bench.driver.define(spec)
    bench.driver.watch(bell.ring)
    bench.driver.start(spec.uuid)
    bell.wait_until(lambda: bench.driver.domains()[spec.uuid].state is DomainState.RUNNING)
    wait_for_line(Path(spec.console_log), "GUEST-READY")

    bench.hands.power_off_from_inside(spec)
    bell.wait_until(lambda: bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF)
    assert bell.rings >= 2


def test_a_crash_is_told_from_an_ordinary_end_and_the_domain_starts_again(bench: Bench) -> None:
    bell, spec = Bell(), _running(bench)
    bench.driver.watch(bell.ring)
    bench.hands.crash(spec)
    bell.wait_until(lambda: bench.driver.domains()[spec.uuid].state is DomainState.CRASHED)

    bench.driver.start(spec.uuid)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_the_network_is_ensured_twice_and_carries_a_guest(bench: Bench) -> None:
    for _ in range(2):
        bench.driver.ensure_network(bench.network)
    spec = replace(bench.spec(), nics=(NicSpec("fa:16:3e:00:00:04", bench.network.name),))
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)

    assert bench.driver.domains()[spec.uuid].macs == ("fa:16:3e:00:00:04",)


def test_a_network_without_guests_is_changed_to_its_new_spec(bench: Bench) -> None:
    old = NetworkSpec("changing", "changing0", "192.168.231.0/24")
    bench.driver.ensure_network(old)
    new = replace(old, cidr="192.168.232.0/24")
    bench.driver.ensure_network(new)

    with pytest.raises(DriverRefused):
        bench.driver.ensure_network(NetworkSpec("other", "other0", new.cidr))
    bench.driver.ensure_network(NetworkSpec("third", "third0", old.cidr))


def test_a_network_with_guests_is_not_pulled_from_under_them(bench: Bench) -> None:
    used = NetworkSpec("used", "used0", "192.168.233.0/24")
    bench.driver.ensure_network(used)
    spec = replace(bench.spec(), nics=(NicSpec("fa:16:3e:00:00:05", used.name),))
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)

    with pytest.raises(DriverRefused, match=r"192\.168\.233\.0/24"):
        bench.driver.ensure_network(replace(used, cidr="192.168.234.0/24"))


def test_a_closed_driver_answers_with_an_error(bench: Bench) -> None:
    bench.driver.close()
    with pytest.raises(DriverError):
        bench.driver.domains()
    bench.reopen()


def test_a_read_only_disk_comes_after_the_root_disk(bench: Bench) -> None:
    spec = bench.spec()
    drive = Path(spec.console_log).with_name("config.iso")
    drive.write_bytes(bytes(2048))
    bench.driver.define(replace(spec, disks=(*spec.disks, DiskSpec(PurePosixPath(drive), "raw", "cdrom"))))
    bench.driver.start(spec.uuid)

    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def _running(bench: Bench) -> DomainSpec:
    """Defined, started, and far enough to hear its power button."""
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    wait_for_line(Path(spec.console_log), "GUEST-READY")
    return spec
