"""Leases, certificates, sorts of slices and departed devices are forgotten, and no chain is broken by it."""

import json
from datetime import timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, text, update
from sqlmodel import Session, col, select

from kcloud_api.accelerator import certificate_routes, operating, retiring
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.records import CertificateQuery
from kcloud_api.accelerator.tables import AnchorRow, CertificateRow, DeviceRow, LeaseRow, ShapeRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import service as hosts
from kcloud_api.loops.prune import devices_turn
from kcloud_cli.device_verify import GOOD, verify
from kcloud_common.certificate import Certificate, Occasion
from kcloud_common.signing import fingerprint, public_key, sign
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.scripted_agent import gpu, vgpus
from tests.functional.test_device_histories import SEED, Truth, certificate
from tests.functional.test_device_memory import enrol, enrolled_anew
from tests.thoroughness import examples

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"
DAY = 86_400.0
YEAR = accelerator.Ages(365 * DAY, 365 * DAY)


def report(session: Session, *devices: DeviceReport, host: UUID = HOST) -> None:
    accelerator.sync_devices(session, host, devices, key=public_key(SEED))


def lived(session: Session, truth: Truth, device: DeviceReport, host: UUID = HOST) -> None:
    """A lease from begin to certificate."""
    server = uuid4()
    want = {provider_id(host, device.card or device.name): {device.resource_class: 1}}
    (claim,) = accelerator.claim(session, server, want, project_id="p")
    facts = {"generation": claim.generation, "claim_id": claim.id, "state": DeviceState.CLAIMED}
    report(session, device.model_copy(update=facts), host=host)
    accelerator.release(session, server)
    made = certificate(host, truth, claim.id, claim.generation)
    truth.chain = sign(made.model_copy(update={"product_id": device.product_id}), SEED)
    clean = {"generation": claim.generation, "certificate": truth.chain}
    report(session, device.model_copy(update=clean), host=host)


def grow_old(session: Session, days: float, *, up_to: int = 2**62) -> None:
    """All that is over, up to a certificate's number."""
    session.exec(
        update(CertificateRow)
        .where(col(CertificateRow.superseded_at).is_not(None), col(CertificateRow.sequence) <= up_to)
        .values(superseded_at=utcnow() - timedelta(days=days))
        .execution_options(synchronize_session=False)
    )
    for column, table in ((LeaseRow.ended_at, LeaseRow), (DeviceRow.last_seen, DeviceRow)):
        session.exec(
            update(table)
            .where(col(column).is_not(None))
            .values({col(column): utcnow() - timedelta(days=days)})
            .execution_options(synchronize_session=False)
        )


def forget(database: Database, ages: accelerator.Ages = YEAR) -> int:
    """Turns until there is nothing more."""
    turn = devices_turn(database, ages)
    turns = 1
    while turn():
        turns += 1
    return turns


def numbers(session: Session, device_id: UUID) -> list[int]:
    found, _ = accelerator.certificate_page(session, CertificateQuery(None, device_id=device_id))
    return [each.certificate.sequence for each in found]


def answer(session: Session, *device_ids: UUID) -> str:
    """What operators get, and verify."""
    found = [
        each
        for id_ in device_ids
        for each in accelerator.certificate_page(session, CertificateQuery(None, device_id=id_))[0]
    ]
    return json.dumps(
        {
            "certificates": [each.certificate.model_dump(mode="json") for each in found],
            "about": [{"chain": each.chain} for each in found],
            "keys": [
                {"host_id": str(key.host_id), "key": key.key}
                for key in accelerator.host_keys(session, {each.certificate.host_id for each in found})
            ],
            "anchors": [
                certificate_routes.anchor_view(each) for each in accelerator.anchors_of(session, device_ids)
            ],
        }
    )


def test_a_chain_is_cut_from_its_old_end_and_verifies_from_where_it_says(
    any_database: Database,
) -> None:
    truth, device_id = Truth(CARD), provider_id(HOST, CARD)
    with any_database.transaction() as session:
        report(session, gpu())
        for _ in range(5):
            lived(session, truth, gpu())
    assert forget(any_database) == 1
    with any_database.transaction() as session:
        assert numbers(session, device_id) == [1, 2, 3, 4, 5], "nothing is old yet"
        grow_old(session, 400, up_to=3)
    forget(any_database)
    with any_database.transaction() as session:
        assert numbers(session, device_id) == [4, 5]
        told = verify(answer(session, device_id), answer(session, device_id))
        assert told.status == GOOD
        assert "verified from number 4 on; the 3 certificates before it were pruned" in told.text
        assert session.exec(select(func.count()).select_from(LeaseRow)).one() == 0, "they are over, too"
        assert accelerator.has_leased(session, device_id, "p"), "who may read a certificate still may"
        assert not accelerator.has_leased(session, device_id, "another")
        grow_old(session, 400)
    forget(any_database)
    with any_database.transaction() as session:
        assert numbers(session, device_id) == [5], "the newest stays, however old"
        lived(session, truth, gpu())
        assert numbers(session, device_id) == [5, 6], "and is continued"
        assert verify(answer(session, device_id), answer(session, device_id)).status == GOOD


def test_without_its_anchor_a_cut_chain_is_not_whole(any_database: Database) -> None:
    truth, device_id = Truth(CARD), provider_id(HOST, CARD)
    with any_database.transaction() as session:
        report(session, gpu())
        for _ in range(3):
            lived(session, truth, gpu())
        grow_old(session, 400, up_to=1)
    forget(any_database)
    with any_database.reading() as session:
        found = json.loads(answer(session, device_id))
    for spoilt in (
        {**found, "anchors": []},
        {**found, "anchors": [{**found["anchors"][0], "hash": "1" * 64}]},
        {**found, "anchors": [{**found["anchors"][0], "sequence": 7}]},
        {**found, "anchors": [{**found["anchors"][0], "device": "pci_1"}]},
        {**found, "certificates": found["certificates"][1:], "about": found["about"][1:]},
    ):
        assert verify(json.dumps(spoilt), json.dumps(spoilt)).status != GOOD


def test_in_no_order_of_leases_and_prunings_is_a_chain_broken(any_database: Database) -> None:
    slices = vgpus(3, CARD)
    random, truths = Random(7), {each.name: Truth(each.name) for each in slices}
    with any_database.transaction() as session:
        report(session, *slices)
    for _ in range(examples(40)):
        device = random.choice(slices)
        with any_database.transaction() as session:
            said = [each for each in slices if each is not device]
            lease_one(session, device, said, truths[device.name])
            if random.random() < 0.5:
                grow_old(session, 400, up_to=random.randrange(8))
        if random.random() < 0.4:
            forget(any_database)
        with any_database.reading() as session:
            ids = [provider_id(HOST, each.name) for each in slices]
            told = answer(session, *ids)
            assert not json.loads(told)["certificates"] or verify(told, told).status == GOOD


def lease_one(session: Session, device: DeviceReport, others: list[DeviceReport], truth: Truth) -> None:
    """Of this very slice: burn-ins need no claim, and grow the chain as well."""
    made = certificate(HOST, truth, None, 0)
    truth.chain = made
    report(session, *others, device.model_copy(update={"certificate": made}))


def test_a_backlog_goes_in_bounded_parts_each_by_itself(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retiring, "BATCH", 4)
    truth, device_id = Truth(CARD), provider_id(HOST, CARD)
    with any_database.transaction() as session:
        report(session, gpu())
        for _ in range(11):
            lived(session, truth, gpu())
        grow_old(session, 400)
    assert forget(any_database) > 2
    with any_database.reading() as session:
        assert numbers(session, device_id) == [11]
        assert session.exec(select(AnchorRow.sequence)).one() == 10


def test_what_a_deleted_host_left_goes_whole(any_database: Database) -> None:
    truth = Truth(CARD)
    with any_database.transaction() as session:
        host = enrol(session, "h1")
        report(session, gpu(), host=host)
        for _ in range(3):
            lived(session, truth, gpu(), host)
        grow_old(session, 400, up_to=1)
    forget(any_database)
    with any_database.transaction() as session:
        enrolled_anew(session, host)
        old = provider_id(host, CARD)
        assert numbers(session, old) == [2, 3], "they are their tenants' for their time"
        grow_old(session, 400)
    forget(any_database)
    with any_database.transaction() as session:
        assert numbers(session, old) == []
        assert accelerator.anchors_of(session, [old]) == ()
        assert not accelerator.has_leased(session, old, None)


def test_devices_of_deleted_hosts_go_but_for_those_that_somebody_ruled_out(any_database: Database) -> None:
    with any_database.transaction() as session:
        for name in ("h1", "h2", "h3"):
            host = enrol(session, name)
            report(session, gpu(), host=host)
            lived(session, Truth(CARD), gpu(), host)
            if name == "h2":
                operating.quarantine(session, provider_id(host, CARD), "it smells")
            if name == "h3":
                (claim,) = accelerator.claim(session, uuid4(), {provider_id(host, CARD): {"PGPU": 1}})
                dirty = {"state": DeviceState.QUARANTINED, "generation": 2}
                report(session, gpu().model_copy(update=dirty), host=host)
                accelerator.release(session, claim.server_id)
            hosts.delete_host(session, host)
        grow_old(session, 400)
    forget(any_database)
    with any_database.reading() as session:
        assert {row.departed_from for row in session.exec(select(DeviceRow))} == {"h2", "h3"}


def test_sorts_of_slices_that_no_device_has_go(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, *vgpus(2, CARD))
        report(session, *vgpus(4, CARD))
    forget(any_database)
    with any_database.transaction() as session:
        (shape,) = session.exec(select(ShapeRow)).all()
        assert shape.share == 250


@pytest.mark.postgres
def test_a_sort_that_is_just_being_reported_again_is_not_forgotten_under_it(postgres: Database) -> None:
    halves = vgpus(2, CARD)
    with postgres.transaction() as session:
        report(session, *halves)
        report(session)
        assert session.exec(select(func.count()).select_from(DeviceRow)).one() == 0
    with postgres.transaction() as reporting:
        report(reporting, *halves)
        with postgres.transaction() as forgetting:
            assert not accelerator.forget_old(forgetting, YEAR)
    with postgres.reading() as session:
        assert accelerator.shape_page(session, limit=5, marker=None)[0] != ()


def test_what_is_old_is_found_by_an_index(any_database: Database) -> None:
    with any_database.transaction() as session:
        report(session, gpu())
        lived(session, Truth(CARD), gpu())
    is_sqlite = any_database.engine.dialect.name == "sqlite"
    questions = {
        "ix_accelerator_certificate_superseded": "SELECT id FROM accelerator_certificate "
        "WHERE superseded_at < '2026-01-01' ORDER BY superseded_at LIMIT 500",
        "ix_accelerator_lease_ended": "SELECT id FROM accelerator_lease "
        "WHERE ended_at < '2026-01-01' ORDER BY ended_at LIMIT 500",
        "ix_accelerator_device_departed": "SELECT id FROM accelerator_device "
        "WHERE departed_from IS NOT NULL AND last_seen < '2026-01-01'",
        "ix_accelerator_device_serial": "SELECT id FROM accelerator_device "
        "WHERE serial IN ('SN-1234') AND serial <> '' AND state = 'missing'",
    }
    with any_database.transaction() as session:
        if not is_sqlite:
            session.connection().execute(text("SET LOCAL enable_seqscan = off"))
        for index, question in questions.items():
            plan = session.connection().execute(
                text(("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + question)
            )
            assert index in str(plan.all()), question


def test_the_chain_of_a_host_that_was_not_known_begins_with_what_is_known(any_database: Database) -> None:
    truth = Truth(CARD)
    truth.chain = certificate(HOST, truth, None, 0)
    later = sign(certificate(HOST, truth, None, 0).model_copy(update={"product_id": "2331"}), SEED)
    with any_database.transaction() as session:
        report(session, gpu().model_copy(update={"certificate": later}))
        told = answer(session, provider_id(HOST, CARD))
        verdict = verify(told, told)
        assert verdict.status == GOOD
        assert "verified from number 2 on; the 1 certificate before it is not known" in verdict.text


def test_no_certificate_of_a_chain_that_was_given_up_begins_the_new_one(any_database: Database) -> None:
    """A host, or who has a copy of it, answers an operator's burn-in with an old certificate."""
    slice_, truth = gpu(), Truth(CARD)
    with any_database.transaction() as session:
        report(session, slice_)
        lived(session, truth, slice_)
        old = burn_in(truth, 1, "2026-11-20T00:00:01Z")
        report(session, slice_.model_copy(update={"generation": 1, "certificate": old}))
        newest = burn_in(truth, 1, "2026-11-21T00:00:00Z")
        report(session, slice_.model_copy(update={"generation": 1, "certificate": newest}))
        (claim,) = accelerator.claim(session, uuid4(), {provider_id(HOST, CARD): {"PGPU": 1}})
        dirty = {"generation": 2, "state": DeviceState.FREE, "certificate": old}
        report(
            session, slice_.model_copy(update=dirty | {"claim_id": claim.id, "state": DeviceState.CLAIMED})
        )
        accelerator.release(session, claim.server_id)
        report(session, slice_.model_copy(update=dirty))
        assert "refused" in shown(session).held_back
        operating.release(session, provider_id(HOST, CARD))
        for replayed in (old, newest):
            answered = {"generation": 2, "release_count": 1, "certificate": replayed}
            report(session, slice_.model_copy(update=answered))
            assert "older" in shown(session).held_back


def test_a_time_without_a_zone_is_compared_as_if_it_were_utc(any_database: Database) -> None:
    """No agent writes such a time. A host that does is told what is wrong like any other: its report also
    says what became of its servers."""
    slice_, truth = gpu(), Truth(CARD)
    with any_database.transaction() as session:
        report(session, slice_)
        lived(session, truth, slice_)
        first = burn_in(truth, 1, "2026-11-20T00:00:00")
        report(session, slice_.model_copy(update={"generation": 1, "certificate": first}))
        stranger = certificate(HOST, Truth(CARD), None, 1)
        report(session, slice_.model_copy(update={"generation": 1, "certificate": stranger}))
        assert "refused" in shown(session).certificate_fault
        operating.quarantine(session, provider_id(HOST, CARD), "its chain broke off")
        operating.release(session, provider_id(HOST, CARD))
        for when, fault in (("2026-11-19T23:59:59Z", "older"), ("2026-11-20T00:00:01Z", "")):
            answered = {"generation": 1, "release_count": 1, "certificate": burn_in(truth, 1, when)}
            report(session, slice_.model_copy(update=answered))
            assert fault in shown(session).certificate_fault
        assert shown(session).certificate_fault == ""


def burn_in(truth: Truth, generation: int, when: str) -> Certificate:
    made = certificate(HOST, truth, None, generation)
    facts = made.model_dump(mode="json") | {"product_id": "2331", "issued_at": when}
    truth.chain = sign(Certificate.model_validate(facts | {"occasion": Occasion.BURN_IN}), SEED)
    assert fingerprint(truth.chain)
    return truth.chain


def shown(session: Session) -> DeviceRow:
    return session.exec(select(DeviceRow).where(DeviceRow.name == CARD)).one()
