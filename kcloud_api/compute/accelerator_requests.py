"""Reads accelerator requests: what a server that was asked for by a device profile holds, claim by claim.

Nobody keeps them: a request is a claim that serves a group of the profile, as that stood when the server was
made. Its id is the claim's. A server that still waits for its place has none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from kcloud_api.accelerator.cyborg import cards
from kcloud_api.accelerator.cyborg.cards import Held
from kcloud_api.compute.records import FlavorSnapshot
from kcloud_api.compute.states import State
from kcloud_api.compute.tables import ServerRow
from kcloud_api.scheduler.profiles import Given, shared_out, wanted
from kcloud_common.errors import BadRequest

STATES: Mapping[State, str] = {State.BUILDING: "BindStarted", State.DELETING: "Deleting"}
BOUND = "Bound"
RESOLVED = frozenset({BOUND, "BindFailed", "Deleting"})
"""Cyborg's states in which nothing is awaited."""


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """Which requests a list shows. `limit` counts servers."""

    limit: int
    project_id: str | None = None
    """None: of all projects."""
    server_id: UUID | None = None
    marker: UUID | None = None


@dataclass(frozen=True, slots=True)
class AcceleratorRequest:
    state: str
    profile: str
    group: int
    server_id: UUID
    project_id: str
    host_name: str | None
    held: Held

    @property
    def id(self) -> UUID:
        return self.held.claim_id


@dataclass(frozen=True, slots=True)
class _Server:
    id: UUID
    project_id: str
    state: State
    host_name: str | None
    profile: str
    flavor: FlavorSnapshot


def request_page(session: Session, query: RequestQuery) -> tuple[tuple[AcceleratorRequest, ...], bool]:
    """By server, and whether more follow. BadRequest for a marker that the list does not have."""
    after = _marked(session, query, query.marker) if query.marker is not None else None
    found: list[AcceleratorRequest] = []
    more = True
    while more and not found:
        servers = _servers(session, query, after)
        more, servers = len(servers) > query.limit, servers[: query.limit]
        found = _of(session, servers)
        after = servers[-1].id if servers else None
    return tuple(found), more


def find_request(session: Session, request_id: UUID) -> AcceleratorRequest | None:
    server_id = cards.holder(session, request_id)
    if server_id is None:
        return None
    of_server = _of(session, _servers(session, RequestQuery(limit=1, server_id=server_id), None))
    return next((request for request in of_server if request.id == request_id), None)


def awaits_place(session: Session, server_id: UUID, project_id: str | None) -> bool:
    """Whether the server is one that was asked for by a profile and holds nothing yet."""
    visible = _visible(RequestQuery(1, project_id, server_id))
    statement = select(col(ServerRow.id)).where(*visible, col(ServerRow.state) == State.PLACING)
    return session.connection().execute(statement).first() is not None


def _marked(session: Session, query: RequestQuery, marker: UUID) -> UUID:
    """The server of this request."""
    holder = cards.holder(session, marker)
    statement = select(col(ServerRow.id)).where(*_visible(query), col(ServerRow.id) == holder)
    if holder is None or session.connection().execute(statement).first() is None:
        raise BadRequest(f"marker [{marker}] not found", field="marker")
    return holder


def _servers(session: Session, query: RequestQuery, after: UUID | None) -> list[_Server]:
    """One more than the page has, if there are."""
    columns = (
        col(ServerRow.id), col(ServerRow.project_id), col(ServerRow.state), col(ServerRow.host_name),
        col(ServerRow.device_profile), col(ServerRow.flavor),
    )  # fmt: skip
    statement = select(*columns).where(*_visible(query), col(ServerRow.host_id).is_not(None))
    if after is not None:
        statement = statement.where(col(ServerRow.id) > after)
    rows = session.connection().execute(statement.order_by(col(ServerRow.id)).limit(query.limit + 1))
    return [
        _Server(id_, project_id, State(state), host, profile or "", FlavorSnapshot.model_validate(flavor))
        for id_, project_id, state, host, profile, flavor in rows
    ]


def _visible(query: RequestQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        col(ServerRow.device_profile).is_not(None),
        col(ServerRow.deleted_at).is_(None),
    ]
    if query.project_id is not None:
        found.append(col(ServerRow.project_id) == query.project_id)
    if query.server_id is not None:
        found.append(col(ServerRow.id) == query.server_id)
    return found


def _of(session: Session, servers: Iterable[_Server]) -> list[AcceleratorRequest]:
    by_id = {server.id: server for server in servers}
    held = cards.held_by(session, by_id)
    return [request for id_, server in by_id.items() for request in _requests(server, held.get(id_, ()))]


def _requests(server: _Server, held: tuple[Held, ...]) -> Iterable[AcceleratorRequest]:
    wants = wanted(server.flavor.asked)
    given = [Given(each.resource_class, each.traits) for each in held]
    for each, wish in zip(held, shared_out(wants, given), strict=True):
        if wish is not None:
            yield AcceleratorRequest(
                STATES.get(server.state, BOUND), server.profile, wants[wish].group, server.id,
                server.project_id, server.host_name, each,
            )  # fmt: skip
