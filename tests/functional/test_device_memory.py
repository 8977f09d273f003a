"""What is remembered of a device when its host is deleted, or its card goes to another seat."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlmodel import Session, select

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.records import DeviceQuery, DeviceRecord
from kcloud_api.accelerator.tables import DeviceRow
from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import enrolling, report_body, reporting
from kcloud_api.hosts import service as hosts
from kcloud_common.signing import public_key, sign
from kcloud_common.wire import DeviceReport, DeviceState, Enrolment, HostReport
from tests.functional.scripted_agent import gpu, vgpus
from tests.functional.test_device_histories import Truth, certificate

CARD = "pci_0000_41_00_0"
SEED = b"k" * 32


def enrol(session: Session, name: str) -> UUID:
    token = enrolling.create_token(session, name, ttl=60).token
    return enrolling.enrol(session, token, Enrolment(host=name, secret="s" * 40)).host_id


def report(session: Session, host: UUID, *devices: DeviceReport) -> None:
    accelerator.sync_devices(session, host, devices, key=public_key(SEED))


def enrolled_anew(session: Session, host: UUID, name: str = "h1") -> UUID:
    hosts.delete_host(session, host)
    anew = enrol(session, name)
    assert anew != host
    return anew


def shown(session: Session, host: UUID, name: str = CARD) -> DeviceRecord:
    (found,) = accelerator.devices(session, device_id=provider_id(host, name))
    return found


def leased(session: Session, host: UUID, device: DeviceReport, *, times: int = 1) -> Truth:
    """From begin to certificate; the last certificate has still to come."""
    truth = Truth(device.name)
    for _ in range(times):
        server = uuid4()
        (claim,) = accelerator.claim(session, server, {provider_id(host, CARD): {"PGPU": 1}}, project_id="p")
        facts = {"generation": claim.generation, "claim_id": claim.id, "state": DeviceState.CLAIMED}
        report(session, host, device.model_copy(update=facts))
        accelerator.release(session, server)
        truth.chain = certificate(host, truth, claim.id, claim.generation).model_copy(
            update={"product_id": device.product_id}
        )
    return truth


@pytest.mark.parametrize("deed", ["quarantine", "maintenance"])
def test_what_operators_want_of_a_device_outlives_its_host(any_database: Database, deed: str) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        if deed == "quarantine":
            operating.quarantine(session, provider_id(host, CARD), "it smells")
        else:
            operating.set_maintenance(session, provider_id(host, CARD), True)
    for _ in range(2):
        with any_database.transaction() as session:
            host = enrolled_anew(session, host)
            assert accelerator.devices(session) == ()
    with any_database.transaction() as session:
        report(session, host, gpu())
        found = shown(session, host)
        assert (found.quarantine_reason, found.maintenance) == (
            ("it smells", False) if deed == "quarantine" else ("", True)
        )
        assert found.held_back
        (provider,) = accelerator.providers(session, host, "h1")
        assert provider.inventories["PGPU"].reserved == 1


def test_a_quarantine_outlives_its_host_however_the_card_is_cut_afterwards(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        operating.quarantine(session, provider_id(host, CARD), "it smells")
    with any_database.transaction() as session:
        host = enrolled_anew(session, host)
        halves = vgpus(2, CARD)
        report(session, host, *halves)
        assert {shown(session, host, each.name).quarantine_reason for each in halves} == {"it smells"}


def test_a_quarantine_ends_with_a_burn_in_for_the_cuts_to_come_too(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        operating.quarantine(session, provider_id(host, CARD), "it smells")
        first, second = vgpus(2, CARD)
        report(session, host, first, second)
        operating.release(session, provider_id(host, first.name))
        assert shown(session, host, first.name).release_count > 0
        burnt_in = first.model_copy(update={"release_count": shown(session, host, first.name).release_count})
        report(session, host, burnt_in, second)
        assert shown(session, host, first.name).quarantine_reason == ""
        assert shown(session, host, second.name).quarantine_reason == "it smells", "it was let out by nobody"
        report(session, host, burnt_in, second, *vgpus(3, CARD)[2:])
    with any_database.transaction() as session:
        (newest,) = (each.name for each in vgpus(3, CARD)[2:])
        assert shown(session, host, newest).quarantine_reason == ""


def test_of_a_device_that_nobody_used_nothing_is_remembered(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        hosts.delete_host(session, host)
        assert session.exec(select(DeviceRow)).all() == []


def test_leases_are_numbered_on_so_that_a_copied_host_s_old_claims_are_old(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        leased(session, host, gpu())
        hosts.delete_host(session, host)
        host = enrol(session, "h1")
        report(session, host, gpu())
        found = shown(session, host)
        assert (found.generation, found.certified_generation) == (1, 0)
        assert "not certified" in found.held_back, "what it must be cleaned of was not forgotten"
        report(session, host, gpu().model_copy(update={"certificate": None}))
        operating.release(session, provider_id(host, CARD))
        fresh = certificate(host, Truth(CARD), None, 0).model_copy(update={"product_id": "2331"})
        done = gpu().model_copy(update={"release_count": 1, "certificate": sign(fresh, SEED)})
        report(session, host, done)
        assert shown(session, host).held_back == ""
        (claim,) = accelerator.claim(session, uuid4(), {provider_id(host, CARD): {"PGPU": 1}})
        assert claim.generation == 2


def test_a_certificate_of_the_deleted_host_frees_nothing_of_the_new_one(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        truth = leased(session, host, gpu())
        assert truth.chain is not None
        old = sign(truth.chain, SEED)
        again = enrolled_anew(session, host)
        copied = gpu().model_copy(update={"generation": 1, "certificate": old})
        report(session, again, copied)
        assert "of another device" in shown(session, again).held_back
        renamed = sign(old.model_copy(update={"host_id": again}), b"x" * 32)
        report(session, again, copied.model_copy(update={"certificate": renamed}))
        assert "not known of host" in shown(session, again).held_back


def moved(card: str = "pci_0000_c1_00_0", serial: str = "SN-1234") -> DeviceReport:
    return gpu(card, "0000:c1:00.0").model_copy(update={"serial": serial})


def test_a_barred_card_is_barred_wherever_it_is_found_again(any_database: Database) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, moved(CARD))
        operating.quarantine(session, provider_id(host, CARD), "it smells")
        report(session, other, moved())
        assert shown(session, other, moved().name).held_back == "", "the other card is still there: a doublet"
        report(session, other)
        report(session, host)
        report(session, other, moved())
        assert shown(session, other, moved().name).quarantine_reason == "it smells"
        report(session, other, moved().model_copy(update={"release_count": 9}))
        assert shown(session, other, moved().name).quarantine_reason == "it smells"
        report(session, host, moved(CARD))
        assert shown(session, host).quarantine_reason == "it smells", "nobody takes it away by claiming so"


def test_traces_of_a_lease_follow_a_card_to_another_host(any_database: Database) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, moved(CARD))
        leased(session, host, moved(CARD))
        hosts.delete_host(session, host)
        report(session, other, moved())
        assert "not certified" in shown(session, other, moved().name).held_back


@pytest.mark.parametrize("serial", ["", "0", "0000000", "SN1"])
def test_a_serial_number_that_tells_nothing_bars_nobody_else(any_database: Database, serial: str) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, moved(CARD, serial))
        operating.quarantine(session, provider_id(host, CARD), "it smells")
        report(session, host)
        report(session, other, moved(serial=serial))
        assert shown(session, other, moved().name).held_back == ""


def test_a_departed_device_is_shown_to_who_asks_for_the_missing(any_database: Database) -> None:
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, host, gpu())
        operating.quarantine(session, provider_id(host, CARD), "it smells")
        hosts.delete_host(session, host)
        (found,), _ = accelerator.device_page(session, DeviceQuery(state="missing"))
        assert (found.quarantine_reason, found.reason) == ("it smells", "its host was deleted")
        assert assigning.generation(session, host) == 0


def taken(card: str = CARD) -> DeviceReport:
    """As a host tells of a device that a guest has."""
    return moved(card).model_copy(update={"state": DeviceState.ATTACHED, "generation": 5})


def burnt_in(session: Session, host: UUID, device: DeviceReport) -> DeviceReport:
    """Released by an operator, and certified after its burn-in."""
    operating.release(session, provider_id(host, device.name))
    fresh = certificate(host, Truth(device.name), None, 1)
    fresh = fresh.model_copy(update={"product_id": device.product_id})
    return device.model_copy(update={"release_count": 1, "certificate": sign(fresh, SEED)})


def halves(cut: int) -> list[DeviceReport]:
    return [each.model_copy(update={"name": f"{each.name}_{cut}", "serial": "SN-1234"}) for each in vgpus(2)]


def reports(session: Session, host: UUID, *devices: DeviceReport, silent: frozenset[UUID]) -> None:
    accelerator.sync_devices(
        session, host, devices, key=public_key(SEED), silent=lambda hosts: silent & set(hosts)
    )


def test_a_card_is_as_unclean_as_it_was_when_it_is_moved_from_a_host_that_died(
    any_database: Database,
) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, taken())
        reports(session, other, moved(), silent=frozenset({host}))
        assert "not certified" in shown(session, other, moved().name).held_back


def test_a_claim_is_a_trace_though_its_host_died_before_it_told_of_it(any_database: Database) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, moved(CARD))
        accelerator.claim(session, uuid4(), {provider_id(host, CARD): {"PGPU": 1}})
        reports(session, other, moved(), silent=frozenset({host}))
        assert "not certified" in shown(session, other, moved().name).held_back


def test_a_quarantined_card_stays_so_in_a_seat_that_held_another_card(any_database: Database) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        report(session, host, moved(CARD))
        report(session, other, moved(serial="SN-9876"))
        operating.quarantine(session, provider_id(host, CARD), "it smells")
        report(session, host)
        report(session, other, moved())
        assert shown(session, other, moved().name).quarantine_reason == "it smells"


def test_what_another_host_said_of_a_card_ends_with_a_burn_in_here_however_it_is_cut_next(
    any_database: Database,
) -> None:
    with any_database.transaction() as session:
        liar, host = enrol(session, "h1"), enrol(session, "h2")
        report(session, liar, taken())
        report(session, liar)
        first, second = halves(1)
        report(session, host, first, second)
        assert shown(session, host, first.name).held_back
        first = burnt_in(session, host, first)
        report(session, host, first, second)
        report(session, host)
    with any_database.transaction() as session:
        report(session, host, *halves(2))
        assert shown(session, host, halves(2)[0].name).held_back, "one half was never cleaned"
        third, fourth = (burnt_in(session, host, each) for each in halves(2))
        report(session, host, third, fourth)
        report(session, host)
        hosts.delete_host(session, liar)
    with any_database.transaction() as session:
        report(session, host, *halves(3))
        fifth, sixth = (burnt_in(session, host, each) for each in halves(3))
        report(session, host, fifth, sixth)
        assert shown(session, host, fifth.name).held_back == ""
        report(session, host, *halves(4))
        assert [shown(session, host, each.name).held_back for each in halves(4)] == ["", ""]


def test_a_host_that_is_down_holds_no_card_whatever_it_said_last(any_database: Database) -> None:
    with any_database.transaction() as session:
        host, other = enrol(session, "h1"), enrol(session, "h2")
        tell(session, host, taken())
        hosts.mark_silent(session, 0, utcnow() + timedelta(seconds=1))
        tell(session, other, moved())
        assert "not certified" in shown(session, other, moved().name).held_back


def tell(session: Session, host: UUID, *devices: DeviceReport) -> None:
    """As an agent does, who has just begun."""
    epoch = reporting.open_session(session, host).epoch
    said = HostReport(
        epoch=epoch, sequence=1, boot_id=uuid4(), assignment_generation=0, hypervisor_type="fake",
        hypervisor_version="1", vcpus=1, memory_mib=1, disk_gib=1, devices=devices,
        certificate_key=public_key(SEED),
    )  # fmt: skip
    reporting.take_report(session, host, report_body.read(said.model_dump_json().encode()))
