"""A report that says nothing new of its devices is not read, and nothing new is ever taken for that."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import Session, SQLModel, select

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import report_body, reporting
from kcloud_api.hosts.tables import HostRow
from kcloud_common.errors import BadRequest, Conflict, NotFound, OutOfCapacity
from kcloud_common.signing import public_key
from kcloud_common.wire import DeviceReport, DeviceState, HostReport, PowerState, ServerReport
from tests.functional.conftest import opened
from tests.functional.scripted_agent import vgpus
from tests.functional.test_device_histories import SEED, Truth, certificate
from tests.thoroughness import examples

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"


def enrolled(session: Session) -> int:
    now = utcnow()
    session.add(HostRow(id=HOST, name="h1", secret_sha256="", last_seen=now, created_at=now, updated_at=now))
    assigning.add_host(session, HOST, "h1")
    return reporting.open_session(session, HOST).epoch


def report_of(devices: list[DeviceReport], **facts: Any) -> HostReport:  # noqa: ANN401
    told = {
        "epoch": 1, "sequence": 1, "boot_id": UUID(int=7), "assignment_generation": 0,
        "hypervisor_type": "fake", "hypervisor_version": "1", "vcpus": 8, "memory_mib": 1024,
        "disk_gib": 1, "devices": tuple(devices), "certificate_key": public_key(SEED),
    }  # fmt: skip
    return HostReport(**(told | facts))


@dataclass
class Teller:
    """Sends reports as an agent does."""

    database: Database
    sequence: int = 0
    devices: list[DeviceReport] = field(default_factory=lambda: vgpus(4, CARD))
    facts: dict[str, Any] = field(default_factory=dict)

    def body(self, **facts: Any) -> bytes:  # noqa: ANN401
        self.sequence += 1
        report = report_of(self.devices, sequence=self.sequence, **(self.facts | facts))
        return report.model_dump_json().encode()

    def tell(self, **facts: Any) -> bool:  # noqa: ANN401
        """Whether all of it was read."""
        said = report_body.read(self.body(**facts))
        read: list[bool] = []
        whole = said.whole

        def noted() -> HostReport:
            read.append(True)
            return whole()

        said = report_body.SaidReport(
            said.epoch, said.sequence, said.boot_id, said.servers, said.rest, noted, said.is_plain
        )  # fmt: skip
        with self.database.transaction() as session:
            assert reporting.take_report(session, HOST, said).accepted
        return bool(read)


@pytest.fixture
def teller(any_database: Database) -> Teller:
    with any_database.transaction() as session:
        assert enrolled(session) == 1
    return Teller(any_database)


def test_only_what_is_new_is_read(teller: Teller) -> None:
    assert [teller.tell() for _ in range(3)] == [True, False, False]
    server = ServerReport(id=uuid4(), generation=1, power_state=PowerState.RUNNING)
    assert not teller.tell(servers=(server,)), "servers are read in any case"
    assert not teller.tell(assignment_generation=5)
    teller.devices[3] = teller.devices[3].model_copy(update={"reason": "it smells"})
    assert [teller.tell() for _ in range(2)] == [True, False]
    for facts in ({"problems": ("no disk",)}, {"vcpus": 9}, {"boot_id": UUID(int=8)}, {"traits": ("A",)}):
        assert [teller.tell(**facts) for _ in range(2)] == [True, False], facts


def test_what_is_decided_here_has_the_next_report_read(teller: Teller) -> None:
    teller.tell()
    id_ = provider_id(HOST, teller.devices[0].name)
    deeds: list[Callable[[Session], object]] = [
        lambda session: operating.set_maintenance(session, id_, True),
        lambda session: operating.set_maintenance(session, id_, False),
        lambda session: operating.quarantine(session, id_, "it smells"),
        lambda session: operating.quarantine(session, id_, "it smells worse"),
        lambda session: operating.release(session, id_),
        lambda session: accelerator.claim(session, UUID(int=5), {provider_id(HOST, CARD): {"VGPU": 1}}),
        lambda session: accelerator.release(session, UUID(int=5)),
    ]
    for number, deed in enumerate(deeds):
        with teller.database.transaction() as session:
            deed(session)
        assert [teller.tell() for _ in range(2)] == [True, False], number


def everything(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """All that reports lead to, but for when they came."""
    session.flush()
    found = {}
    for name, table in SQLModel.metadata.tables.items():
        if name.startswith(("accelerator_", "placement_")) and name != "placement_change":
            columns = [each for each in table.columns if not each.name.endswith(("_at", "last_seen"))]
            rows = session.connection().execute(select(*columns)).all()
            found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found


class History:
    """Random deeds of host, operators and claimants on four slices."""

    def __init__(self, teller: Teller, random: Random) -> None:
        self.teller, self.random = teller, random
        self.truths = {device.name: Truth(device.name) for device in teller.devices}
        self.servers: list[UUID] = []

    def step(self) -> None:
        with self.teller.database.transaction() as session:
            self.random.choice([self.operate, self.claim, self.release, self.change, self.change])(session)

    def operate(self, session: Session) -> None:
        device = provider_id(HOST, self.random.choice(sorted(self.truths)))
        try:
            with session.begin_nested():
                match self.random.randrange(4):
                    case 0:
                        operating.quarantine(session, device, self.random.choice(["smoke", "smell"]))
                    case 1:
                        operating.release(session, device)
                    case turn:
                        operating.set_maintenance(session, device, turn == 2)
        except (Conflict, NotFound):
            return

    def claim(self, session: Session) -> None:
        server = uuid4()
        try:
            with session.begin_nested():
                accelerator.claim(session, server, {provider_id(HOST, CARD): {"VGPU": 1}})
        except OutOfCapacity:
            return
        self.servers.append(server)

    def release(self, session: Session) -> None:
        if self.servers:
            accelerator.release(session, self.servers.pop(0))

    def change(self, session: Session) -> None:
        """What the host says, true or not."""
        place = self.random.randrange(len(self.teller.devices))
        device = self.teller.devices[place]
        truth = self.truths[device.name]
        claims = sorted(accelerator.claim_ids(session, HOST))
        possible: list[dict[str, object]] = [
            {"state": self.random.choice(list(DeviceState))},
            {"state": DeviceState.FREE},
            {"generation": self.random.randrange(4)},
            {"release_count": self.random.randrange(3)},
            {"claim_id": self.random.choice(claims) if claims else None},
            {"certificate": None},
            {"certificate": truth.chain},
            {"numa_node": self.random.choice([None, 0, 2**40])},
            {"certificate": self._next(truth)},
        ]
        facts = self.random.choice(possible)
        self.teller.devices[place] = device.model_copy(update=facts)

    def _next(self, truth: Truth) -> object:
        made = certificate(HOST, truth, None, self.random.randrange(3))
        if self.random.random() < 0.7:
            truth.chain = made
        return made


def test_a_report_that_was_not_read_would_have_changed_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    spared = 0
    folder = tmp_path_factory.mktemp("steady")
    for seed in range(examples(48)):
        for database in opened(f"sqlite:///{folder}/{seed}.db"):
            with database.transaction() as session:
                enrolled(session)
            random = Random(seed)
            history = History(Teller(database), random)
            for _ in range(12):
                history.step()
                if random.random() < 0.4:
                    continue
                history.teller.tell()
                spared += check_that_nothing_is_hidden(history.teller)
    assert spared > 3 * examples(48), "too few reports were spared to say anything"


def check_that_nothing_is_hidden(teller: Teller) -> int:
    """The same report once more, and then once more with its digest forgotten."""
    if teller.tell():
        return 0
    with teller.database.reading() as session:
        before = everything(session)
    with teller.database.transaction() as session:
        session.exec(update(HostRow).values(report_digest=""))
    assert teller.tell()
    with teller.database.reading() as session:
        assert everything(session) == before
    return 1


def whole_of(body: bytes) -> HostReport | None:
    try:
        return report_body.read(body).whole()
    except BadRequest:
        return None


PLAIN = report_of(
    vgpus(2), servers=(ServerReport(id=UUID(int=3), generation=1, power_state=PowerState.NONE),)
)


@settings(max_examples=examples(400), deadline=None)
@given(st.data())
def test_two_reports_with_one_digest_say_the_same_but_for_servers_and_counters(data: st.DataObject) -> None:
    text = PLAIN.model_dump_json()
    places = data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=2))
    for place in places:
        piece = data.draw(
            st.sampled_from(
                [
                    "",
                    '"',
                    "0",
                    "1",
                    ",",
                    "}",
                    "]",
                    " ",
                    '"servers":[],',
                    '"epoch":9,',
                    '"devices":[],',
                    "\\u0000",
                ]
            )
        )
        text = text[:place] + piece + text[place + data.draw(st.integers(0, 2)) :]
    first, body = report_body.read(PLAIN.model_dump_json().encode()), text.encode()
    found = whole_of(body)
    if found is None:
        return
    said = report_body.read(body)
    assert (said.epoch, said.sequence, said.boot_id) == (found.epoch, found.sequence, found.boot_id) or (
        not said.is_plain()
    )
    if said.rest == first.rest and said.is_plain():
        counters = {"epoch", "sequence", "assignment_generation", "servers"}
        assert found.model_dump(exclude=counters) == PLAIN.model_dump(exclude=counters)
        assert said.servers == found.servers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"epoch":1',
        b'{"epoch": 1e999}',
        b"[" * 100_000,
        b'{"a":"\\ud800"}',
    ],
)
def test_what_is_no_report_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(BadRequest, match="no report"):
        report_body.read(body).whole()


def test_a_report_in_another_order_is_read_whole_each_time(teller: Teller) -> None:
    for _ in range(2):
        turned = dict(reversed(json.loads(teller.body()).items()))
        said = report_body.read(json.dumps(turned).encode())
        assert said.rest == ""
        with teller.database.transaction() as session:
            assert reporting.take_report(session, HOST, said).accepted
