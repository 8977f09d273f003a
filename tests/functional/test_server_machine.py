"""Anything may happen to servers in any order: claims are held exactly as long as they must be.

No HTTP: the use cases on a real database, driven by hypothesis. The model knows only what was done to it.
"""

import tempfile
from pathlib import Path
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlmodel import Session, SQLModel, select

from kcloud_api.accelerator.service import claims_of
from kcloud_api.caller import Caller
from kcloud_api.compute import actions, assigning, service
from kcloud_api.compute.actions import Asker
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.db.modules import modules_named
from kcloud_api.hosts import enrolling, report_body, reporting
from kcloud_api.loops.place import place_one
from kcloud_api.network.service import ports_of
from kcloud_api.placement.service import allocations
from kcloud_common.errors import Conflict, NotFound
from kcloud_common.wire import DeviceReport, Enrolment, Fault, HostReport, PowerState, Presence, ServerReport
from tests.thoroughness import examples

DEVICES = 2
CALLER = Caller("user", "project", frozenset({"member", "reader"}))
FLAVOR = {
    "id": "gpu", "name": "gpu", "vcpus": 1, "ram_mib": 64, "disk_gib": 1,
    "extra_specs": {"resources:PGPU": "1"},
}  # fmt: skip
IMAGE = {"id": str(UUID(int=7)), "sha512": "a" * 128, "size": 1, "disk_format": "raw"}
ON_HOST = {State.BUILDING, State.ACTIVE, State.SHUTOFF, State.DELETING}


class Servers(RuleBasedStateMachine):
    """One host with two devices; servers that want one each."""

    def __init__(self) -> None:
        super().__init__()
        for _ in modules_named("tables"):
            pass
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(f"sqlite:///{Path(self.folder.name)}/kcloud.db")
        SQLModel.metadata.create_all(self.database.engine)
        self.sequence = 0
        self.said: list[ServerReport] = []
        self.may_end: set[UUID] = set()
        """Servers whose claims may end: their host has said that they are gone, after they had to go."""
        with self.database.transaction() as session:
            token = enrolling.create_token(session, "host-1", ttl=60).token
            self.host = enrolling.enrol(session, token, Enrolment(host="host-1", secret="s" * 32)).host_id
            self.epoch = reporting.open_session(session, self.host).epoch
        self.report()

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def report(self, *servers: ServerReport) -> None:
        self.sequence += 1
        self.said += servers
        devices = tuple(
            DeviceReport(
                name=f"pci_{n}", addresses=(f"0000:4{n}:00.0",), vendor_id="10de", product_id="2331",
                resource_class="PGPU",
            )
            for n in range(DEVICES)
        )  # fmt: skip
        report = HostReport(
            epoch=self.epoch, sequence=self.sequence, boot_id=UUID(int=1), assignment_generation=0,
            hypervisor_type="fake", hypervisor_version="1", vcpus=64, memory_mib=65536, disk_gib=1000,
            servers=servers, devices=devices,
        )  # fmt: skip
        with self.database.transaction() as session:
            said = report_body.read(report.model_dump_json().encode())
            assert reporting.take_report(session, self.host, said).accepted

    def rows(self, session: Session) -> list[ServerRow]:
        return list(session.exec(select(ServerRow).order_by(ServerRow.created_at)))  # type: ignore[arg-type]

    @rule()
    def boot(self) -> None:
        now = utcnow()
        row = ServerRow(
            id=uuid4(), project_id="project", user_id="user", name="one", state=State.PLACING, flavor=FLAVOR,
            image_id=UUID(int=7), image=IMAGE, reservation_id="r-1", created_at=now, updated_at=now,
        )  # fmt: skip
        with self.database.transaction() as session:
            session.add(row)
            actions.begin(session, row.id, actions.CREATE, Asker("req-1", "project", "user"), now=now)

    @rule()
    def place(self) -> None:
        place_one(self.database)

    @rule(which=st.integers(0, 9), verb=st.sampled_from(["start", "stop", "reboot", "delete", "delete"]))
    def ask(self, which: int, verb: str) -> None:
        with self.database.transaction() as session:
            rows = self.rows(session)
            if not rows:
                return
            server_id = str(rows[which % len(rows)].id)
            try:
                if verb == "reboot":
                    service.reboot_server(session, CALLER, server_id, hard=True)
                else:
                    deeds = {"start": service.start_server, "stop": service.stop_server}
                    deeds.get(verb, service.delete_server)(session, CALLER, server_id)
            except (Conflict, NotFound):
                session.rollback()

    @rule(which=st.integers(0, 9), how=st.sampled_from(["obeys", "fails", "stops", "is busy"]))
    def host_acts(self, which: int, how: str) -> None:
        with self.database.reading() as session:
            wants = assigning.assigned_servers(session, self.host)
        if not wants:
            return
        want = wants[which % len(wants)]
        facts: dict[str, object] = {"id": want.id, "generation": want.generation}
        power = PowerState.RUNNING if want.power == "on" else PowerState.SHUTOFF
        if how == "fails":
            facts |= {"power_state": PowerState.NONE, "fault": Fault(code="broken", message="It broke.")}
        elif how == "is busy":
            facts |= {"power_state": PowerState.NONE, "busy": True}
        elif want.presence is Presence.ABSENT:
            facts |= {"power_state": PowerState.NONE, "gone": True}
            self.may_end.add(want.id)
        else:
            facts |= {"power_state": PowerState.SHUTOFF if how == "stops" else power}
        self.report(ServerReport.model_validate({**facts, "reboot_count": want.reboot_count}))

    @precondition(lambda self: self.said)
    @rule(which=st.integers(0, 99))
    def something_said_before_is_said_again(self, which: int) -> None:
        self.report(self.said[which % len(self.said)])

    @invariant()
    def claims_are_held_exactly_as_long_as_they_must_be(self) -> None:
        with self.database.reading() as session:
            rows = self.rows(session)
            ids = [row.id for row in rows]
            claims, held, ports = claims_of(session, ids), allocations(session, ids), ports_of(session, ids)
        used = [claim.device for mine in claims.values() for claim in mine]
        assert len(used) == len(set(used)) <= DEVICES
        for row in rows:
            has = (row.id in claims, row.id in held, row.id in ports)
            assert has in ((True, True, True), (False, False, False)), (row.state, has)
            assert has[0] == (row.host_id is not None and row.state != State.DELETED), (row.state, has)
            if row.state == State.DELETED and row.host_id is not None:
                assert row.id in self.may_end
            if row.state in ON_HOST:
                assert row.host_id == self.host


TestServers = Servers.TestCase
TestServers.settings = settings(
    max_examples=examples(15), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
