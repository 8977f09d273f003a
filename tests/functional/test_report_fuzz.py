"""Whatever a host with a credential says, the answer is never that the control plane broke."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.hosts import report_body, reporting
from kcloud_api.hosts.tables import HostRow
from kcloud_common.errors import BadRequest
from tests.functional.scripted_agent import gpu, vgpus
from tests.functional.test_steady_reports import report_of
from tests.thoroughness import examples

HOST = UUID(int=1)
ODD: list[Any] = [
    None, True, 0, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**70), 0.5, "", "\x00", "a\x00b", "x" * 300,
    "\u202e", "PGPU", "CUSTOM_\x00", "CUSTOM_" + "A" * 300, [], ["\x00"], ["y" * 300] * 3, {}, {"a": "\x00"},
]  # fmt: skip


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a document something else could stand."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [each for key, part in inner for each in places(part, (*path, key))]


@settings(
    max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_report_with_anything_in_it_is_taken_or_refused_in_words(
    any_database: Database, data: st.DataObject
) -> None:
    document = report_of([gpu(), *vgpus(2, "pci_0000_81_00_0")]).model_dump(mode="json")
    document |= {"servers": [{"id": str(HOST), "generation": 1, "power_state": "running"}]}
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(places(document)))
        where: Any = document
        for step in way:
            where = where[step]
        where[last] = deepcopy(data.draw(st.sampled_from(ODD)))  # the next oddity may go into this one
    with any_database.transaction() as session:
        if session.get(HostRow, HOST) is None:
            now = utcnow()
            session.add(
                HostRow(id=HOST, name="h1", secret_sha256="", last_seen=now, created_at=now, updated_at=now)
            )
            assigning.add_host(session, HOST, "h1")
            session.flush()
        document["epoch"] = document["epoch"] and reporting.open_session(session, HOST).epoch
    with suppress(BadRequest):
        said = report_body.read(json.dumps(document).encode())
        with any_database.transaction() as session:
            reporting.take_report(session, HOST, said)
