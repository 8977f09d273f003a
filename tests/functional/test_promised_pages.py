"""Hugepages are counted nowhere but in promises: of two controllers that place at once, one gives them."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from kcloud_api.compute import actions
from kcloud_api.compute.actions import Asker
from kcloud_api.compute.placing import place_next
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import enrolling, report_body, reporting
from kcloud_api.hosts.machines import machines_of
from kcloud_api.loops.place import place_one
from kcloud_common.wire import Enrolment, HostReport, MachineReport, NodeReport, PagesReport
from tests.functional.servers import eventually
from tests.functional.test_odd_reports import waits

GIB = 1 << 20
PAGES = (PagesReport(size_kib=GIB, total=2, free=2),)
MACHINE = MachineReport(nodes=(NodeReport(number=0, cpus=64, memory_mib=65536, pages=PAGES),))
FLAVOR = {
    "id": "large", "name": "large", "vcpus": 1, "ram_mib": 2048, "disk_gib": 1,
    "extra_specs": {"hw:mem_page_size": "1GB"},
}  # fmt: skip
IMAGE = {"id": str(UUID(int=7)), "sha512": "a" * 128, "size": 1, "disk_format": "raw"}


def open_host(database: Database) -> None:
    """With pages for one server."""
    with database.transaction() as session:
        token = enrolling.create_token(session, "host-1", ttl=60).token
        host = enrolling.enrol(session, token, Enrolment(host="host-1", secret="s" * 32)).host_id
        epoch = reporting.open_session(session, host).epoch
        report = HostReport(
            epoch=epoch, sequence=1, boot_id=UUID(int=1), assignment_generation=0, hypervisor_type="fake",
            hypervisor_version="1", vcpus=64, memory_mib=65536, disk_gib=1000, machine=MACHINE,
        )  # fmt: skip
        assert reporting.take_report(
            session, host, report_body.read(report.model_dump_json().encode())
        ).accepted


def ask(database: Database) -> None:
    now = utcnow()
    with database.transaction() as session:
        row = ServerRow(
            id=uuid4(), project_id="project", user_id="user", name="one", state=State.PLACING, flavor=FLAVOR,
            image_id=UUID(int=7), image=IMAGE, reservation_id="r-1", created_at=now, updated_at=now,
        )  # fmt: skip
        session.add(row)
        actions.begin(session, row.id, actions.CREATE, Asker("req-1", "project", "user"), now=now)


@pytest.mark.postgres
def test_two_controllers_that_place_at_once_do_not_promise_the_same_pages(postgres: Database) -> None:
    open_host(postgres)
    ask(postgres)
    ask(postgres)
    with ThreadPoolExecutor(1) as other:
        with postgres.transaction() as session:
            assert place_next(session, machines=machines_of)
            placing = other.submit(place_one, postgres)
            # It has found the host, for it knows nothing of the promise yet, and waits for the assignment.
            eventually(lambda: waits(postgres), lambda found: found or placing.done())
            assert not placing.done()
        placing.result(60)
    with postgres.reading() as session:
        rows = session.exec(select(ServerRow).order_by(col(ServerRow.created_at))).all()
        assert [row.state for row in rows] == [State.BUILDING, State.ERROR]
        assert "have too few pages free" in str(rows[1].fault) or "has too few pages free" in str(
            rows[1].fault
        )
