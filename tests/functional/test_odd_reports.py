"""What a host can do to the control plane with what it says: by mistake, oddness or malice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, text
from sqlmodel import Session, col, select

from kcloud_api.accelerator import operating, vanishing
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.certifying import MOST_KEYS
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.accelerator.records import CertificateQuery
from kcloud_api.accelerator.tables import DeviceRow, HostKeyRow
from kcloud_api.compute import assigning
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.chunks import MOST_PARAMETERS
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import service as hosts
from kcloud_api.hosts.offering import MOST_CARDS, MOST_SLICES, believable
from kcloud_api.hosts.tables import HostRow
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory
from kcloud_api.placement.syncing import MOST_NAMES, register_traits
from kcloud_api.placement.tables import TraitRow
from kcloud_common.certificate import NO_CERTIFICATE, Certificate
from kcloud_common.errors import Conflict
from kcloud_common.signing import public_key, sign, unsigned
from kcloud_common.wire import CardReport, DeviceReport
from tests.functional.scripted_agent import gpu, vgpus
from tests.functional.servers import eventually

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"
SEED = b"k" * 32


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, int]]]:
    """Each with the rows that it is for."""
    seen: list[tuple[str, int]] = []

    def note(_connection: object, _cursor: object, words: str, rows: list[object], *rest: object) -> None:
        seen.append((words, len(rows) if rest[-1] else 1))

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def burnt_in(device: DeviceReport) -> Certificate:
    facts = {
        "device": device.name, "host_id": HOST, "vendor_id": device.vendor_id,
        "product_id": device.product_id, "sequence": 1, "generation": 0, "occasion": "burn-in",
        "grade": "B", "steps": (), "issued_at": utcnow(), "previous": NO_CERTIFICATE,
    }  # fmt: skip
    return sign(unsigned(facts), SEED)


def device(session: Session, name: str) -> DeviceRow:
    return session.exec(select(DeviceRow).where(DeviceRow.name == name)).one()


def test_of_many_slices_only_the_one_that_changed_is_written(any_database: Database) -> None:
    first, *rest = vgpus(64)
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [first, *rest])
    changed = [first.model_copy(update={"reason": "it smells"}), *rest]
    with any_database.transaction() as session, statements(any_database) as seen:
        accelerator.sync_devices(session, HOST, changed)
    assert sum(rows for words, rows in seen if words.startswith("UPDATE accelerator_device")) == 1


def test_many_certificates_at_once_take_as_many_questions_as_one(any_database: Database) -> None:
    devices = vgpus(64)

    def asked(certified: int) -> int:
        said = [each.model_copy(update={"certificate": burnt_in(each)}) for each in devices[:certified]]
        with any_database.transaction() as session, statements(any_database) as seen:
            accelerator.sync_devices(session, HOST, [*said, *devices[certified:]], key=public_key(SEED))
        return sum(words.startswith("SELECT") for words, _ in seen)

    asked(0)
    assert asked(1) == asked(64)
    with any_database.reading() as session:
        page = accelerator.certificate_page(session, CertificateQuery(None))
        assert len(page[0]) == 64


def test_what_an_operator_quarantined_stays_so_however_its_card_is_cut(any_database: Database) -> None:
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [gpu(CARD)])
        operating.quarantine(session, provider_id(HOST, CARD), "it smells")
    halves = vgpus(2, CARD)
    for said in (halves, [gpu(CARD)], halves):
        with any_database.transaction() as session:
            accelerator.sync_devices(session, HOST, said)
            for each in said:
                row = device(session, each.name)
                assert (row.quarantine_reason, row.offered) == ("it smells", False)
    with any_database.transaction() as session:
        operating.release(session, provider_id(HOST, halves[0].name))
        said = [halves[0].model_copy(update={"release_count": 1}), halves[1]]
        accelerator.sync_devices(session, HOST, said)
        assert [device(session, each.name).offered for each in said] == [True, False]


def test_a_host_that_counts_too_high_keeps_no_operator_from_its_devices(any_database: Database) -> None:
    id_ = provider_id(HOST, CARD)
    for _ in range(2):
        with any_database.transaction() as session:
            mad = gpu(CARD).model_copy(update={"release_count": 2**63 - 1, "generation": 2**63 - 1})
            accelerator.sync_devices(session, HOST, [mad])
            operating.quarantine(session, id_, "mad")
            operating.release(session, id_)
    with any_database.transaction() as session:
        operating.quarantine(session, id_, "mad for good")
        assert not device(session, CARD).offered


def test_a_host_with_a_new_key_each_time_is_not_believed_for_ever(any_database: Database) -> None:
    with any_database.transaction() as session:
        for number in range(MOST_KEYS + 5):
            accelerator.sync_devices(session, HOST, [], key=f"{number:064x}")
    with any_database.reading() as session:
        assert session.exec(select(func.count()).select_from(HostKeyRow)).one() == MOST_KEYS


def test_a_serial_number_with_nuls_keeps_no_report_out(any_database: Database) -> None:
    odd = DeviceReport.model_validate(
        {**gpu(CARD).model_dump(), "serial": "1\x002", "reason": "a\x1b[2Jb\u202ec\nd"}
    )
    card = CardReport(
        name=CARD, address="\x00", vendor_id="10de", product_id="2331", drift="a\x00b", serial="\x00"
    )
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [odd])
        accelerator.sync_cards(session, HOST, [card])
    with any_database.reading() as session:
        row = device(session, CARD)
        assert (row.serial, row.reason) == ("1 2", "a [2Jb c\nd"), "nor does it steer a terminal"


def test_cards_that_a_host_makes_up_keep_the_database_busy_for_no_longer_than_real_ones() -> None:
    made_up = [gpu(f"pci_{number}") for number in range(3000)]
    late = vgpus(2, "pci_0_late")
    assert believable([*made_up, *late]) == tuple(made_up[:MOST_CARDS])
    sliced = [each for card in range(3) for each in vgpus(3, f"pci_{card}")]
    assert believable(sliced) == tuple(sliced)
    assert believable(vgpus(MOST_SLICES + 1)) == tuple(vgpus(MOST_SLICES + 1)[:MOST_SLICES])


def test_a_host_leaves_only_so_many_names_behind(any_database: Database) -> None:
    traits = frozenset(f"CUSTOM_{number:05}" for number in range(MOST_NAMES + 100))
    with any_database.transaction() as session:
        placement.sync_host(session, HostInventory(HOST, "h1", {}, traits))
    with any_database.reading() as session:
        named = select(func.count()).select_from(TraitRow).where(col(TraitRow.name).startswith("CUSTOM_0"))
        assert session.exec(named).one() == MOST_NAMES


def hostile(**facts: object) -> DeviceReport:
    return gpu("pci_0000_81_00_0", "0000:81:00.0").model_copy(update=facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"resource_class": "CUSTOM_" + "A" * 300},
        {"resource_class": "CUSTOM_\x00"},
        {"numa_node": 2**31},
        {"numa_node": -(2**70)},
        {"addresses": ("\x00",)},
        {"traits": ("CUSTOM_\x00", "C" * 300)},
        {"pci_path": ("\x00" * 300,)},
    ],
)
def test_an_odd_value_of_one_device_keeps_none_of_the_others_out(
    any_database: Database, facts: dict[str, object]
) -> None:
    with any_database.transaction() as session:
        assigning.add_host(session, HOST, "h1")
        accelerator.sync_devices(session, HOST, [gpu(CARD), hostile(**facts)])
        children = accelerator.providers(session, HOST, "h1")
        placement.sync_host(session, HostInventory(HOST, "h1", {}, frozenset(), children=children))
    with any_database.reading() as session:
        right, odd = device(session, CARD), device(session, "pci_0000_81_00_0")
        assert (right.offered, odd.offered) == (True, False)
        assert "odd values" in odd.held_back
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [gpu(CARD), hostile()])
        assert device(session, "pci_0000_81_00_0").offered, "once it is said as it should be"
        accelerator.sync_devices(session, HOST, [gpu(CARD), hostile(**facts)])
        kept = device(session, "pci_0000_81_00_0")
        assert (kept.resource_class, kept.addresses) == ("PGPU", ["0000:81:00.0"]), "what was known before"


def test_two_thousand_slices_of_one_host_fit_into_statements(any_database: Database) -> None:
    slices = [
        each.model_copy(update={"share": number % 1000, "memory_mib": number})
        for number, each in enumerate(vgpus(2000))
    ]
    widths: list[int] = []

    def note(_connection: object, _cursor: object, _words: str, given: object, *rest: object) -> None:
        rows = given if rest[-1] else [given]
        assert isinstance(rows, list)
        widths.append(max((len(row) for row in rows), default=0))

    event.listen(any_database.engine, "before_cursor_execute", note)
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, slices)
        children = accelerator.providers(session, HOST, "h1")
        placement.sync_host(session, HostInventory(HOST, "h1", {}, frozenset(), children=children))
    with any_database.transaction() as session:
        said = [each.model_copy(update={"certificate": burnt_in(each)}) for each in slices[:100]]
        accelerator.sync_devices(session, HOST, [*said, *slices[100:]], key=public_key(SEED))
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [])
        assert session.exec(select(func.count()).select_from(DeviceRow)).one() == 0
    event.remove(any_database.engine, "before_cursor_execute", note)
    assert max(widths) <= 32_766, "SQLite takes no more, and PostgreSQL twice as many"
    assert max(widths) <= MOST_PARAMETERS


def test_more_names_than_a_statement_takes_are_made_in_several(any_database: Database) -> None:
    names = [f"CUSTOM_{number:06}" for number in range(66_000)]
    with any_database.transaction() as session:
        register_traits(session, names)
        named = select(func.count()).select_from(TraitRow).where(col(TraitRow.name).startswith("CUSTOM_0"))
        assert session.exec(named).one() == 66_000


def test_devices_that_a_host_makes_up_are_not_remembered_for_ever(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanishing, "MOST_MISSING", 8)
    with any_database.transaction() as session:
        accelerator.sync_devices(session, HOST, [gpu(CARD)])
        (claim,) = accelerator.claim(session, uuid4(), {provider_id(HOST, CARD): {"PGPU": 1}})
        accelerator.release(session, claim.server_id)
        for turn in range(5):
            made_up = [gpu(f"pci_{turn}_{n}").model_copy(update={"generation": 5}) for n in range(4)]
            accelerator.sync_devices(session, HOST, made_up)
        assert session.exec(select(func.count()).select_from(DeviceRow)).one() <= 4 + 8 + 1
        assert device(session, CARD).generation == 1, "what was really leased is"


@pytest.mark.postgres
def test_a_host_is_not_deleted_under_a_server_that_is_just_placed(postgres: Database) -> None:
    now = utcnow()
    with postgres.transaction() as session:
        session.add(
            HostRow(
                id=HOST, name="h1", secret_sha256="", last_seen=now, created_at=now, updated_at=now
            )
        )  # fmt: skip
        assigning.add_host(session, HOST, "h1")

    def remove() -> None:
        with postgres.transaction() as session:
            hosts.delete_host(session, HOST)

    with ThreadPoolExecutor(1) as thread:
        with postgres.transaction() as session:
            assigning.changed(session, HOST)
            session.add(
                ServerRow(
                    id=uuid4(), project_id="p", user_id="u", name="s", state=State.BUILDING, flavor={},
                    image_id=uuid4(), image={}, reservation_id="r", host_id=HOST, created_at=now,
                    updated_at=now,
                )
            )  # fmt: skip
            session.flush()
            removing = thread.submit(remove)
            eventually(lambda: waits(postgres), lambda found: found or removing.done())
        with pytest.raises(Conflict):
            removing.result(60)


def waits(database: Database) -> bool:
    with database.reading() as session:
        return bool(session.connection().execute(text("SELECT 1 FROM pg_locks WHERE NOT granted")).first())
