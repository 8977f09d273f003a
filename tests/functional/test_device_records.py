"""What is kept of devices, cards, certificates and layouts reads the same from every database."""

from uuid import UUID, uuid4

import pytest
from sqlmodel import Session

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.records import CertificateQuery, DeviceQuery
from kcloud_api.compute import assigning
from kcloud_api.db.engine import Database
from kcloud_api.hosts import reporting
from kcloud_api.hosts.layouts import service as layouts
from kcloud_api.hosts.layouts.bodies import LayoutBody, LayoutChange, Target
from kcloud_common.certificate import NO_CERTIFICATE
from kcloud_common.errors import AlreadyExists, Conflict
from kcloud_common.signing import public_key, read_chain, sign, unsigned
from kcloud_common.wire import Ability, CardReport, ChainHead, DeviceState, DeviceWant, SliceKind
from tests.functional.scripted_agent import vgpus
from tests.functional.test_odd_reports import statements
from tests.written_chains import write_chain

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"
SEED = b"k" * 32


def report(session: Session, **facts: object) -> None:
    first, *rest = vgpus(3)
    accelerator.sync_devices(session, HOST, [first.model_copy(update=facts), *rest], key=public_key(SEED))


def test_a_lease_from_its_claim_to_its_certificate(any_database: Database) -> None:
    name = vgpus(3)[0].name
    device_id = provider_id(HOST, name)
    with any_database.transaction() as session:
        report(session)
        server = uuid4()
        want = {provider_id(HOST, CARD): {"VGPU": 1}}
        (claim,) = accelerator.claim(session, server, want, project_id="tenant")
        report(session, state=DeviceState.ATTACHED, claim_id=claim.id, generation=1)
        accelerator.release(session, server)
        report(session, state=DeviceState.QUARANTINED, generation=1, reason="no reset")
        operating.release(session, device_id)
        assert operating.wants(session, HOST) == (
            DeviceWant(name=name, release_count=1, chain=ChainHead(generation=1)),
        )
    made = sign(
        unsigned(
            {
                "device": name, "host_id": HOST, "vendor_id": "10de", "product_id": "26b9", "sequence": 1,
                "generation": 1, "claim_id": claim.id, "occasion": "burn-in", "grade": "B", "steps": (),
                "issued_at": "2026-11-20T12:34:56.789Z", "previous": NO_CERTIFICATE,
            }
        ),
        SEED,
    )  # fmt: skip
    with any_database.transaction() as session:
        report(session, generation=1, release_count=1, certificate=made)
    with any_database.reading() as session:
        found, more = accelerator.certificate_page(session, CertificateQuery("tenant", device_id=device_id))
        assert ([each.certificate for each in found], more) == ([made], False)
        assert read_chain(write_chain(each.certificate for each in found)) == (made,)
        assert accelerator.certificate_page(session, CertificateQuery("another"))[0] == ()
        (device,) = accelerator.device_page(session, DeviceQuery(card=CARD, kind="mdev", limit=1))[0]
        assert (device.held_back, device.sharing) == (
            "", {"policy": "equal", "quantum_us": 2000, "preempt_timeout_us": None, "weight": None},
        )  # fmt: skip
        (shape,), _ = accelerator.shape_page(session, limit=5, marker=None)
        assert accelerator.shapes_of(session, ["VGPU", "PGPU"]) == {"VGPU": [shape]}


def test_cards_come_and_go_with_reports(any_database: Database) -> None:
    ability = Ability(kind=SliceKind.MDEV, type="nvidia-558", most=4, memory_mib=12288)
    card = CardReport(
        name=CARD, address="0000:41:00.0", vendor_id="10de", product_id="26b9", abilities=(ability,)
    )
    with any_database.transaction() as session:
        for drift in ("in use", ""):
            accelerator.sync_cards(session, HOST, [card.model_copy(update={"drift": drift})])
    with any_database.transaction() as session:
        (kept,), _ = accelerator.card_page(session, host_ids=frozenset({HOST}), limit=5, marker=None)
        assert (kept.id, kept.drift) == (provider_id(HOST, CARD), "")
        assert [Ability.model_validate(each) for each in kept.abilities] == [ability]
        accelerator.sync_cards(session, HOST, [])
        assert accelerator.card_page(session, host_ids=None, limit=5, marker=None) == ((), False)


def test_layouts_are_resolved_and_versioned(any_database: Database) -> None:
    def body(name: str, kind: str, *hosts: str) -> LayoutBody:
        target = {"kind": kind, "hosts": hosts}
        return LayoutBody.model_validate({"name": name, "target": target, "cards": [{"match": "known"}]})

    with any_database.transaction() as session:
        assigning.add_host(session, HOST, "h1")
        for_all = layouts.create(session, body("a", "all"), "u")
        group = layouts.create(session, body("b", "group", "h1", "h2"), "u")
    with any_database.reading() as session:
        assert [layouts.of_host(session, name) for name in ("h1", "h3")] == [group, for_all]
        told = [layouts.want_of_host(session, name) for name in ("h1", "h2", "h3")]
        assert told == [group.want, group.want, for_all.want]
        assert assigning.generation(session, HOST) == 2, "the group's host is not enrolled under that name"
    for wrong, error in ((body("c", "group", "h2"), Conflict), (body("a", "host", "h9"), AlreadyExists)):
        with pytest.raises(error), any_database.transaction() as session:
            layouts.create(session, wrong, "u")
    with any_database.transaction() as session:
        moved = layouts.change(
            session, group.id, LayoutChange(target=Target(kind="host", hosts=("h3",))), "v"
        )
        assert (moved.version, moved.user_id) == (2, "v")
        assert [layouts.of_host(session, name) for name in ("h1", "h3")] == [for_all, moved]
        assert layouts.versions(session, group.id, limit=5, before=None) == ((moved, group), False)
        assert layouts.page(session, limit=1, marker=for_all.id) == ((moved,), False)
        layouts.remove(session, group.id)
        assert layouts.of_host(session, "h3") == for_all
        assert layouts.want_of_host(session, "h3") == for_all.want
        layouts.remove(session, for_all.id)
        assert layouts.want_of_host(session, "h3") is None


def test_an_assignment_takes_as_many_statements_however_many_devices_wait_for_a_burn_in(
    any_database: Database,
) -> None:
    devices = vgpus(3)
    with any_database.transaction() as session:
        assigning.add_host(session, HOST, "h1")
        for device in devices:
            accelerator.sync_devices(session, HOST, devices)
            operating.quarantine(session, provider_id(HOST, device.name), "smoke")
    counts: list[int] = []
    for device in devices:
        with any_database.transaction() as session:
            operating.release(session, provider_id(HOST, device.name))
        with any_database.reading() as session, statements(any_database) as seen:
            waiting = reporting.assignment(session, HOST).devices
        counts.append(len(seen))
    assert [want.name for want in waiting] == [device.name for device in devices]
    assert len(set(counts)) == 1
    assert counts[0] <= 7, "BEGIN is one of them"
