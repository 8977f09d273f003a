"""What only QEMU under a real libvirtd can show: validation, foreign domains, a killed libvirtd, leases."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import libvirt
import pytest

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.libvirt import codes, kvm_trial, power
from hypervisor_drivers.libvirt.api import VirDomain
from hypervisor_drivers.libvirt.connection import Connection
from hypervisor_drivers.libvirt.domain_xml import domain_xml
from hypervisor_drivers.libvirt.kvm_probe import trial_boot
from hypervisor_drivers.libvirt.network_xml import network_xml
from hypervisor_drivers.spec import DomainSpec, DomainState, NetworkSpec, NicSpec
from tests import dhcp_guest
from tests.contract.drivers import Bell, Bench, libvirt_bench, wait_for_line
from tests.domain_specs import GOLDEN
from tests.libvirtd import PrivateLibvirtd, private_libvirtd

pytestmark = pytest.mark.libvirt

QEMU = "/usr/bin/qemu-system-x86_64"
FOREIGN = "a6a1a6a1-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def libvirtd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateLibvirtd]:
    with private_libvirtd(tmp_path_factory.mktemp("libvirtd")) as handle:
        yield handle


@pytest.fixture
def bench(libvirtd: PrivateLibvirtd, tmp_path: Path) -> Iterator[Bench]:
    with libvirt_bench(tmp_path, libvirtd) as made:
        yield made


@pytest.fixture
def plain(libvirtd: PrivateLibvirtd) -> Iterator[libvirt.virConnect]:
    """A connection beside the driver's, as an operator's virsh."""
    connection = libvirt.open(libvirtd.uri)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", GOLDEN)
def test_libvirts_own_test_driver_accepts_each_golden_domain(name: str) -> None:
    connection = libvirt.open("test:///default")
    xml = domain_xml(GOLDEN[name]).replace(f'type="{GOLDEN[name].virt_type}"', 'type="test"', 1)
    try:
        domain = connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        domain.undefine()
    finally:
        connection.close()


@pytest.mark.parametrize("name", GOLDEN)
def test_qemu_accepts_each_golden_domain_and_moves_no_device(
    name: str, bench: Bench, plain: libvirt.virConnect
) -> None:
    spec = replace(GOLDEN[name], virt_type="qemu")
    bench.driver.define(spec)

    seen = bench.driver.domains()[spec.uuid]
    assert seen.metadata == spec.metadata
    assert seen.hostdevs == tuple(hostdev.address for hostdev in spec.hostdevs)
    kept = plain.lookupByUUIDString(str(spec.uuid)).XMLDesc()
    added = [line for line in kept.splitlines() if "pcie-root-port" in line]
    assert len(added) == 2 * domain_xml(spec).count('model="pcie-root-port"')  # none of libvirt's own


def test_a_misspelt_element_does_not_pass() -> None:
    connection = libvirt.open("test:///default")
    xml = domain_xml(GOLDEN["least"]).replace('type="qemu"', 'type="test"', 1).replace("on_crash", "on_krash")
    try:
        with pytest.raises(libvirt.libvirtError) as failure:
            connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        assert failure.value.get_error_code() in codes.REFUSALS
    finally:
        connection.close()


def test_a_domain_of_somebody_else_is_neither_listed_nor_touched(
    bench: Bench, plain: libvirt.virConnect
) -> None:
    xml = f"<domain type='qemu'><name>theirs</name><uuid>{FOREIGN}</uuid><memory unit='MiB'>16</memory>"
    theirs = plain.defineXML(f"{xml}<os><type machine='q35'>hvm</type></os></domain>")
    spec = replace(bench.spec(), uuid=UUID(FOREIGN))
    try:
        assert FOREIGN not in map(str, bench.driver.domains())
        verbs: tuple[Callable[[], None], ...] = (
            lambda: bench.driver.define(spec),
            lambda: bench.driver.start(spec.uuid),
            lambda: bench.driver.stop(spec.uuid, grace_seconds=0),
            lambda: bench.driver.reboot(spec.uuid),
            lambda: bench.driver.undefine(spec.uuid),
        )
        for verb in verbs:
            with pytest.raises(DriverRefused, match="kcloud did not define it"):
                verb()
        assert plain.lookupByUUIDString(FOREIGN).name() == "theirs"
    finally:
        theirs.undefine()


def test_a_killed_libvirtd_comes_back_under_the_driver_with_its_guests(
    bench: Bench, libvirtd: PrivateLibvirtd
) -> None:
    bell, spec = Bell(), bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    bench.driver.watch(bell.ring)

    rings = bell.rings
    libvirtd.kill()
    bell.wait_until(lambda: bell.rings > rings)
    with pytest.raises(DriverError) as failure:
        bench.driver.domains()
    assert not isinstance(failure.value, DriverRefused)

    rings = bell.rings
    libvirtd.restart()
    bell.wait_until(lambda: bell.rings > rings)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING
    wait_for_line(Path(spec.console_log), "GUEST-READY")
    bench.driver.stop(spec.uuid, grace_seconds=30)
    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_events_reach_the_watcher_again_after_libvirtd_was_killed(
    bench: Bench, libvirtd: PrivateLibvirtd
) -> None:
    bell, spec = Bell(), bench.spec()
    bench.driver.define(spec)
    bench.driver.watch(bell.ring)
    libvirtd.kill()
    libvirtd.restart()
    bench.driver.start(spec.uuid)
    wait_for_line(Path(spec.console_log), "GUEST-READY")

    bench.hands.power_off_from_inside(spec)
    bell.wait_until(lambda: bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF)


def test_a_guest_that_ended_while_libvirtd_was_dead_is_seen_off(
    bench: Bench, libvirtd: PrivateLibvirtd
) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    libvirtd.kill()
    libvirtd.kill_guest(spec.name)
    libvirtd.restart()

    bell = Bell()
    bench.driver.watch(bell.ring)
    bell.wait_until(lambda: bench.driver.domains()[spec.uuid].state is not DomainState.RUNNING)
    bench.driver.start(spec.uuid)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_a_paused_guest_is_shown_so_and_start_lets_it_go_on(bench: Bench, plain: libvirt.virConnect) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    plain.lookupByUUIDString(str(spec.uuid)).suspend()
    assert bench.driver.domains()[spec.uuid].state is DomainState.PAUSED

    bench.driver.start(spec.uuid)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING


def test_a_guest_whose_emulator_is_stuck_is_turned_off_all_the_same(
    bench: Bench, libvirtd: PrivateLibvirtd
) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    wait_for_line(Path(spec.console_log), "GUEST-READY")
    libvirtd.freeze_guest(spec.name)

    bench.driver.stop(spec.uuid, grace_seconds=1)
    assert bench.driver.domains()[spec.uuid].state is DomainState.SHUTOFF


def test_a_domain_that_is_gone_is_not_asked_to_shut_down_again_and_again() -> None:
    """Somebody undefined it while it ran, and it ended."""
    connection = Connection("test:///default")
    xml = "<domain type='test'><name>gone</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    try:
        with connection.asking("starting a domain that leaves nothing") as test:
            domain = Counting(cast(libvirt.virConnect, test).createXML(xml, 0))
        domain.destroy()
        power.press_button(connection, cast(VirDomain, domain), 1.0)
    finally:
        connection.close()
    assert domain.looks == 1


class Counting:
    """A domain that counts how often somebody looks at its state."""

    def __init__(self, domain: libvirt.virDomain) -> None:
        self._domain = domain
        self.looks = 0

    def __getattr__(self, name: str) -> Callable[[], object]:
        return cast(Callable[[], object], getattr(self._domain, name))

    def state(self) -> object:
        self.looks += 1
        return self._domain.state()


def test_a_guest_whose_emulator_is_stuck_is_rebooted_all_the_same(
    bench: Bench, libvirtd: PrivateLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "_RESET_SECONDS", 1.0)
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    libvirtd.freeze_guest(spec.name)
    before = libvirtd.emulator(spec.name)

    bench.driver.reboot(spec.uuid)
    assert bench.driver.domains()[spec.uuid].state is DomainState.RUNNING
    assert libvirtd.emulator(spec.name) != before


def test_a_start_that_ends_in_a_paused_guest_is_a_failed_one(
    bench: Bench, libvirtd: PrivateLibvirtd, plain: libvirt.virConnect
) -> None:
    """As a libvirtd that is killed half-way leaves it: what was asked failed, and a domain is active."""
    spec = bench.spec()
    bench.driver.define(spec)
    plain.lookupByUUIDString(str(spec.uuid)).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    connection = Connection(libvirtd.uri)
    domain = HalfStarted(plain.lookupByUUIDString(str(spec.uuid)))
    try:
        with pytest.raises(DriverError, match="died"):
            power.turn_on(connection, cast(VirDomain, domain))
    finally:
        connection.close()


class HalfStarted:
    """A domain whose start fails with its libvirtd, after the emulator was begun."""

    def __init__(self, domain: libvirt.virDomain) -> None:
        self._domain = domain
        self._asked = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._domain, name)

    def isActive(self) -> int:  # noqa: N802 - libvirt's name
        """Not at first."""
        asked, self._asked = self._asked, True
        return int(self._domain.isActive()) if asked else 0

    def create(self) -> int:
        raise libvirt.libvirtError("the connection died")


def test_undefining_forgets_saved_memory_too(bench: Bench, plain: libvirt.virConnect) -> None:
    spec = bench.spec()
    bench.driver.define(spec)
    bench.driver.start(spec.uuid)
    plain.lookupByUUIDString(str(spec.uuid)).managedSave()
    bench.driver.undefine(spec.uuid)

    assert spec.uuid not in bench.driver.domains()


def test_a_device_that_is_not_there_fails_the_start_and_not_the_definition(bench: Bench) -> None:
    spec = replace(GOLDEN["accelerated"], virt_type="qemu")
    bench.driver.define(spec)
    with pytest.raises(DriverError, match=str(spec.uuid)):
        bench.driver.start(spec.uuid)


def test_a_network_that_is_defined_but_off_is_turned_on_and_stays_so(
    bench: Bench, plain: libvirt.virConnect
) -> None:
    spec = NetworkSpec("sleeping", "sleeping0", "192.168.241.0/24")
    network = plain.networkDefineXML(network_xml(spec))
    bench.driver.ensure_network(spec)

    assert (network.isActive(), network.autostart()) == (1, 1)


def test_a_range_that_the_host_uses_is_refused_with_advice(bench: Bench, libvirtd: PrivateLibvirtd) -> None:
    inside = [*libvirtd.netns_prefix, "ip"]
    subprocess.run([*inside, "link", "add", "uplink0", "type", "bridge"], check=True)
    subprocess.run([*inside, "addr", "add", "192.168.242.7/24", "dev", "uplink0"], check=True)
    subprocess.run([*inside, "link", "set", "uplink0", "up"], check=True)

    with pytest.raises(DriverRefused, match=r"uplink0.*choose another network"):
        bench.driver.ensure_network(NetworkSpec("clash", "clash0", "192.168.242.0/24"))


def test_an_address_is_known_once_the_guest_has_asked_for_it(bench: Bench, libvirtd: PrivateLibvirtd) -> None:
    network = NetworkSpec("leases", "leases0", "192.168.243.0/24")
    bench.driver.ensure_network(network)
    spec = replace(bench.spec(), nics=(NicSpec("fa:16:3e:00:01:01", network.name),))
    bench.driver.define(spec)
    assert bench.driver.addresses(spec.uuid) == ()

    given = _ask_for_address(libvirtd, network, spec.nics[0].mac)
    _wait_for_addresses(bench, spec, (given,))
    assert given.startswith("192.168.243.")


def test_of_two_leases_of_one_nic_the_newer_counts(bench: Bench, libvirtd: PrivateLibvirtd) -> None:
    network = NetworkSpec("stale", "stale0", "192.168.244.0/24")
    bench.driver.ensure_network(network)
    spec = replace(bench.spec(), nics=(NicSpec("fa:16:3e:00:01:02", network.name),))
    bench.driver.define(spec)

    older = _ask_for_address(libvirtd, network, spec.nics[0].mac, "installer")
    _wait_for_addresses(bench, spec, (older,))
    newer = _ask_for_address(libvirtd, network, spec.nics[0].mac, "system")
    assert older != newer
    _wait_for_addresses(bench, spec, (newer,))


def test_the_trial_guest_reaches_its_end_and_a_missing_one_is_noticed() -> None:
    assert trial_boot(QEMU, accelerator="tcg", cpu="max") is None
    assert trial_boot("/nowhere/qemu", accelerator="tcg", cpu="max") is not None
    assert "hung" in str(trial_boot(QEMU, accelerator="tcg", cpu="max", deadline_seconds=0.001))


def test_the_trial_guest_is_its_source_assembled(tmp_path: Path) -> None:
    source = Path(kvm_trial.__file__).with_suffix(".S")
    module, program = tmp_path / "trial.o", tmp_path / "trial.bin"
    subprocess.run(["as", "--64", "-o", module, source], check=True)
    subprocess.run(["ld", "-Ttext=0xf0000", "--oformat=binary", "-o", program, module], check=True)

    assert program.read_bytes() == kvm_trial.PROGRAM


@pytest.mark.parametrize(
    ("ours", "prefix"),
    [
        (codes.ErrorCode, "VIR_ERR_"),
        (codes.State, "VIR_DOMAIN_"),
        (codes.ShutoffReason, "VIR_DOMAIN_SHUTOFF_"),
        (codes.PausedReason, "VIR_DOMAIN_PAUSED_"),
        (codes.Define, "VIR_DOMAIN_DEFINE_"),
        (codes.Undefine, "VIR_DOMAIN_UNDEFINE_"),
        (codes.Affect, "VIR_DOMAIN_AFFECT_"),
        (codes.Metadata, "VIR_DOMAIN_METADATA_"),
        (codes.AddressKind, "VIR_IP_ADDR_TYPE_"),
    ],
)
def test_our_numbers_are_libvirts(ours: type[codes.ErrorCode], prefix: str) -> None:
    assert {code.name: code.value for code in ours} == {
        code.name: getattr(libvirt, prefix + code.name) for code in ours
    }


def _ask_for_address(libvirtd: PrivateLibvirtd, network: NetworkSpec, *identity: str) -> str:
    guest = [sys.executable, dhcp_guest.__file__, network.bridge, *identity]
    done = subprocess.run(
        [*libvirtd.netns_prefix, *guest], capture_output=True, text=True, check=True, timeout=15
    )
    return done.stdout.strip()


def _wait_for_addresses(bench: Bench, spec: DomainSpec, wanted: tuple[str, ...]) -> None:
    """The DHCP server answers the guest before it writes the lease down."""
    end = time.monotonic() + 30
    while bench.driver.addresses(spec.uuid) != wanted:
        assert time.monotonic() < end, f"{bench.driver.addresses(spec.uuid)}, not {wanted}"
        time.sleep(0.05)
