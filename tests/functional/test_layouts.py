"""How operators say how cards are cut: validated, versioned, resolved for each host, and told to it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx

from kcloud_api.db.engine import Database
from kcloud_api.hosts.layouts.reading import in_force
from kcloud_api.hosts.layouts.tables import LayoutTargetRow
from kcloud_common.wire import CardReport, LayoutWant, SliceKind
from tests.functional.conftest import Cloud
from tests.functional.layout_cloud import database, empty_file, empty_postgres
from tests.functional.layout_requests import LAYOUTS, QUARTERS, agent, body, make, message
from tests.functional.scripted_agent import ScriptedAgent

__all__ = ["agent", "database", "empty_file", "empty_postgres"]

CARD = "pci_0000_41_00_0"


def layout_of(agent: ScriptedAgent) -> LayoutWant | None:
    return agent.pull().layout


def told(agent: ScriptedAgent) -> str | None:
    layout = layout_of(agent)
    return layout.version if layout is not None else None


def test_a_host_is_told_the_layout_nearest_to_it(admin: httpx.Client, agent: ScriptedAgent) -> None:
    assert layout_of(agent) is None
    for_all = make(admin, "for-all", "all")
    found = layout_of(agent)
    assert found is not None
    assert found.version == for_all["told_as"]
    (card,) = found.cards
    assert (card.match, card.cuts[0].kind, card.cuts[0].count) == ("10de:26b9", SliceKind.MDEV, 4)
    for_group = make(admin, "for-two", "group", "host-1", "host-2")
    assert told(agent) == for_group["told_as"]
    for_one = make(admin, "for-one", "host", "host-1", cards=[])
    assert layout_of(agent) == LayoutWant(version=for_one["told_as"])
    for made, next_one in ((for_one, for_group), (for_group, for_all)):
        assert admin.delete(f"{LAYOUTS}/{made['id']}").status_code == 204
        assert told(agent) == next_one["told_as"]
    assert admin.delete(f"{LAYOUTS}/{for_all['id']}").status_code == 204
    assert layout_of(agent) is None


def test_only_the_hosts_concerned_get_a_new_assignment(admin: httpx.Client, agent: ScriptedAgent) -> None:
    other = ScriptedAgent.enrol(admin, "host-2")
    before = agent.pull().generation, other.pull().generation
    made = make(admin, "for-one", "host", "host-1")
    assert (agent.pull().generation, other.pull().generation) == (before[0] + 1, before[1])
    moved = {"target": {"kind": "group", "hosts": ["host-2", "not-here-yet"]}}
    assert admin.patch(f"{LAYOUTS}/{made['id']}", json=moved).status_code == 200
    assert (agent.pull().generation, other.pull().generation) == (before[0] + 2, before[1] + 1)
    assert layout_of(agent) is None
    assert layout_of(other) is not None
    late = ScriptedAgent.enrol(admin, "not-here-yet")
    assert layout_of(late) == layout_of(other)


def test_each_change_is_a_version_that_stays_readable(admin: httpx.Client) -> None:
    made = make(admin)
    url = f"{LAYOUTS}/{made['id']}"
    halves = {**QUARTERS, "cuts": [{"kind": "mdev", "type": "nvidia-560", "count": 2}]}
    changed = admin.patch(url, json={"cards": [halves], "version": 1}).json()["layout"]
    assert (changed["version"], changed["name"], changed["target"]) == (2, "quarters", made["target"])
    assert changed["told_as"] != made["told_as"]
    assert admin.patch(url, json={"name": "halves"}).json()["layout"]["cards"] == changed["cards"]
    assert "version 3" in message(admin.patch(url, json={"cards": [], "version": 1}), 409)
    assert admin.get(url).json()["layout"]["version"] == 3
    history = admin.get(f"{url}/versions?limit=2").json()
    assert [(each["version"], each["cards"]) for each in history["versions"]] == [
        (3, changed["cards"]), (2, changed["cards"]),
    ]  # fmt: skip
    assert history["more"]
    rest = admin.get(f"{url}/versions?before=2").json()
    assert [(each["version"], each["cards"]) for each in rest["versions"]] == [(1, made["cards"])]
    assert not rest["more"]


def test_of_two_layouts_for_a_host_in_the_same_way_the_second_is_refused(admin: httpx.Client) -> None:
    first = make(admin, "first", "group", "host-1", "host-2")
    refused = message(admin.post(LAYOUTS, json=body("second", "group", "host-2", "host-3")), 409)
    assert "'first'" in refused
    assert first["id"] in refused
    assert "host-2" in refused
    assert "'first'" in message(admin.post(LAYOUTS, json=body("first", "all")), 409)
    second = make(admin, "second", "group", "host-3")
    moved = {"target": {"kind": "group", "hosts": ["host-1"]}}
    assert "'first'" in message(admin.patch(f"{LAYOUTS}/{second['id']}", json=moved), 409)
    same = {"target": {"kind": "group", "hosts": ["host-2"]}}
    assert admin.patch(f"{LAYOUTS}/{first['id']}", json=same).status_code == 200
    assert admin.patch(f"{LAYOUTS}/{second['id']}", json=moved).status_code == 200


def test_layouts_come_in_pages_by_name(admin: httpx.Client) -> None:
    for name in ("c", "a", "b"):
        make(admin, name, "host", name)
    first = admin.get(f"{LAYOUTS}?limit=2").json()
    assert [each["name"] for each in first["layouts"]] == ["a", "b"]
    rest = admin.get(first["layouts_links"][0]["href"]).json()
    assert [each["name"] for each in rest["layouts"]] == ["c"]
    assert "layouts_links" not in rest


def test_operators_see_how_a_host_stands_to_its_layout(admin: httpx.Client, agent: ScriptedAgent) -> None:
    url = f"/kcloud/v1/hosts/{agent.host_id}/layout"
    assert admin.get(url).json() == {
        "wanted": None, "reported_version": "", "in_step": True, "idle_rules": [], "cards": [],
    }  # fmt: skip
    made = make(admin)
    card = CardReport(name=CARD, address="0000:41:00.0", vendor_id="10de", product_id="26b9")
    agent.cards = (card.model_copy(update={"drift": "in use: 1 of 4 slices"}),)
    agent.report()
    shown = admin.get(url).json()
    assert (shown["wanted"]["id"], shown["reported_version"], shown["in_step"]) == (made["id"], "", False)
    assert shown["cards"] == [{"name": CARD, "address": "0000:41:00.0", "drift": "in use: 1 of 4 slices"}]
    agent.layout_version = made["told_as"]
    agent.report()
    assert admin.get(url).json()["in_step"] is False, "a card still differs"
    agent.cards = (card,)
    agent.report()
    assert admin.get(url).json()["in_step"] is True
    cards = admin.get("/kcloud/v1/cards?host=host-1").json()["cards"]
    assert [(each["name"], each["host"], each["drift"]) for each in cards] == [(CARD, "host-1", "")]
    agent.cards = ()
    agent.report()
    assert admin.get("/kcloud/v1/cards").json() == {"cards": []}


def test_of_two_writers_at_once_the_second_hears_that_he_is_late(cloud: Cloud, admin: httpx.Client) -> None:
    """Two who have read version 1; two who make a layout for the same host; two groups that overlap."""
    made = make(admin, "first", "host", "host-1")
    url = f"{LAYOUTS}/{made['id']}"
    assert at_once(cloud, ("PATCH", url, {"cards": [], "version": 1}), 2) == [200, 409]
    assert admin.get(url).json()["layout"]["version"] == 2
    assert at_once(cloud, ("PATCH", url, {"cards": []}), 4) == [200] * 4
    assert admin.get(url).json()["layout"]["version"] == 6, "without a version each is a change of its own"
    bodies = (body("a", "group", "host-2", "host-3"), body("b", "group", "host-3", "host-2"))
    assert at_once(cloud, *(("POST", LAYOUTS, each) for each in bodies)) == [201, 409]
    same = (body("c", "host", "host-4"), body("c", "host", "host-5"))
    assert at_once(cloud, *(("POST", LAYOUTS, each) for each in same)) == [201, 409]


def test_a_layout_that_is_made_while_its_host_reads_reaches_it(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    """The host waits for its next assignment; it is woken, and has the layout that came while it waited."""
    agent.pull()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(agent.pull, wait=20.0)
        made = make(admin, "for-all", "all")
        found = waiting.result(timeout=30).layout
    assert found is not None
    assert found.version == made["told_as"]


def at_once(cloud: Cloud, *requests: Any) -> list[int]:  # noqa: ANN401
    """Statuses, sorted, of requests that are sent at the same moment: of each, or of one so many times."""
    if isinstance(requests[-1], int):
        requests = (requests[0],) * requests[-1]
    clients = [cloud.client() for _ in requests]
    gate = threading.Barrier(len(requests))

    def send(client: httpx.Client, request: tuple[str, str, object]) -> int:
        gate.wait()
        return client.request(request[0], request[1], json=request[2]).status_code

    with ThreadPoolExecutor(len(requests)) as pool:
        return sorted(pool.map(send, clients, requests))


def test_hosts_with_a_nearer_layout_hear_nothing_of_one_for_all(
    admin: httpx.Client, agent: ScriptedAgent
) -> None:
    other = ScriptedAgent.enrol(admin, "host-2")
    make(admin, "own", "host", "host-1")
    before = agent.pull().generation, other.pull().generation
    made = make(admin, "for-all", "all")
    assert (agent.pull().generation, other.pull().generation) == (before[0], before[1] + 1)
    moved = {"target": {"kind": "group", "hosts": ["host-1"]}}
    assert admin.patch(f"{LAYOUTS}/{made['id']}", json=moved).status_code == 200
    assert (agent.pull().generation, other.pull().generation) == (before[0] + 1, before[1] + 2)


def test_a_layout_that_is_deleted_while_somebody_reads_counts_for_nobody(any_database: Database) -> None:
    """What a reader has found of it between two statements, on a database with several writers."""
    with any_database.transaction() as session:
        session.add(LayoutTargetRow(kind="host", host_name="h1", layout_id=UUID(int=1)))
        session.flush()
        assert in_force(session, ["h1", "h2"]) == {"h1": None, "h2": None}
