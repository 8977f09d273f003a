"""A page of cards is added up by the database: it reads one slice of each card, however many there are."""

from random import Random
from uuid import UUID, uuid4

from sqlalchemy import event
from sqlmodel import select

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.cyborg.cards import CardQuery, card_page
from kcloud_api.accelerator.inventory import MISSING, provider_id
from kcloud_api.accelerator.tables import ClaimRow, DeviceRow
from kcloud_api.db.engine import Database
from tests.functional.scripted_agent import gpu, vgpus
from tests.thoroughness import examples

HOST = UUID(int=1)


def test_of_each_card_one_slice_is_read(any_database: Database) -> None:
    cards = [f"pci_0000_{number:02x}_00_0" for number in range(5)]
    with any_database.transaction() as session:
        slices = [each for card in cards for each in vgpus(40, card)]
        accelerator.sync_devices(session, HOST, slices)
    read: list[object] = []

    def note(row: object, _context: object) -> None:
        read.append(row)

    event.listen(DeviceRow, "load", note)
    with any_database.reading() as session:
        found, more = card_page(session, CardQuery(limit=4))
    event.remove(DeviceRow, "load", note)
    assert ([card.slices for card in found], more) == ([40] * 4, True)
    assert len(read) == 4


def test_the_database_adds_up_what_the_slices_are(any_database: Database) -> None:
    random = Random(3)
    for turn in range(examples(40)):
        host = UUID(int=turn + 1)
        slices = [
            each.model_copy(
                update={
                    "resource_class": random.choice(["VGPU", "CUSTOM_B"]),
                    "traits": tuple(random.sample(["CUSTOM_X", "CUSTOM_Y", "CUSTOM_Z"], random.randrange(3))),
                }
            )
            for each in [*vgpus(5, "pci_0000_61_00_0"), gpu("pci_0000_81_00_0")]
        ]
        with any_database.transaction() as session:
            accelerator.sync_devices(session, host, slices)
            for each in random.sample(slices, 3):
                operating.set_maintenance(session, provider_id(host, each.name), True)
            card = provider_id(host, "pci_0000_61_00_0")
            for row in session.exec(select(DeviceRow).where(DeviceRow.provider_id == card)):
                if not row.maintenance and random.random() < 0.3:
                    claim = ClaimRow(
                        id=uuid4(), device_id=row.id, server_id=uuid4(), created_at=row.last_seen
                    )  # fmt: skip
                    session.add(claim)
            kept = [each for each in slices if random.random() < 0.7]
            accelerator.sync_devices(session, host, kept)
            session.flush()
            held = set(session.exec(select(ClaimRow.device_id)))
            found, _ = card_page(session, CardQuery(limit=10, ids=[card]))
            rows = [
                row
                for row in session.exec(select(DeviceRow).where(DeviceRow.provider_id == card))
                if row.state != MISSING or row.id in held
            ]
        assert len(found) == bool(rows)
        for shown in found:
            classes = [row.resource_class for row in rows]
            assert shown.slices == len(rows)
            assert shown.classes == tuple(sorted(set(classes), key=lambda name: (-classes.count(name), name)))
            assert set(shown.traits) == set[str]().union(*(row.traits for row in rows))
            assert shown.in_maintenance == all(row.maintenance for row in rows)
            assert shown.last_seen == max(row.last_seen for row in rows)
