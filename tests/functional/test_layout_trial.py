"""What a layout would do before it is made, and which of its rules fit no card: asked over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import event
from sqlmodel import select

from kcloud_api.accelerator.tables import ClaimRow, DeviceRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_common.wire import Ability, CardReport, DeviceState, SliceKind
from tests.functional.conftest import Cloud
from tests.functional.layout_cloud import database, empty_file, empty_postgres
from tests.functional.layout_requests import LAYOUTS
from tests.functional.scripted_agent import ScriptedAgent, gpu, vgpus

__all__ = ["database", "empty_file", "empty_postgres"]

L40S = CardReport(
    name="pci_0000_41_00_0", address="0000:41:00.0", vendor_id="10de", product_id="26b9", model="L40S",
    class_code="030200", known=True,
    abilities=(
        Ability(kind=SliceKind.WHOLE, most=1),
        Ability(kind=SliceKind.MDEV, type="nvidia-558", most=4),
        Ability(kind=SliceKind.MDEV, type="nvidia-559", most=2),
        Ability(kind=SliceKind.VF, most=32, refused="driver nvidia keeps its virtual functions"),
    ),
)  # fmt: skip
OTHER = L40S.model_copy(update={"name": "pci_0000_42_00_0", "address": "0000:42:00.0"})


def rule(
    match: str = "10de:26b9", kind: str = "mdev", count: int = 4, type: str = "nvidia-558"
) -> dict[str, Any]:
    return {"match": match, "cuts": [{"kind": kind, "type": type, "count": count}]}


def trial(admin: httpx.Client, *cards: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401
    asked = {"name": "new", "target": {"kind": "all", "hosts": []}, "cards": list(cards), **more}
    answer = admin.post(f"{LAYOUTS}/validate", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def only_card(found: dict[str, Any]) -> dict[str, Any]:
    (host,) = found["hosts"]
    (card,) = host["cards"]
    return dict(card)


@pytest.fixture
def agent(admin: httpx.Client) -> ScriptedAgent:
    made = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    made.cards = (L40S,)
    made.report()
    return made


def test_an_empty_card_would_be_cut_and_nothing_is_changed(admin: httpx.Client, agent: ScriptedAgent) -> None:
    before = agent.pull().generation
    found = trial(admin, rule())
    card = only_card(found)
    assert (card["outcome"], card["now"], card["shall"]) == ("cut", "whole", "4 mdev nvidia-558")
    assert found["outcomes"] == {"cut": 1}
    assert found["hosts"][0]["is_ours"] is True
    assert admin.get(LAYOUTS).json() == {"layouts": []}
    assert agent.pull().generation == before


REFUSED = (
    (rule(count=5), "5 of type nvidia-558 are wanted, and an empty card has room for 4"),
    (rule(type="nvidia-1"), "its driver has no type nvidia-1; it has nvidia-558, nvidia-559"),
    (rule(kind="vf", type=""), "driver nvidia keeps its virtual functions"),
    (rule(kind="xe-vf", type=""), "its kernel offers no xe-vf on it; it offers mdev, vf, whole"),
)


def test_what_the_kernel_has_refused_already_is_said_with_its_reason(
    admin: httpx.Client, agent: ScriptedAgent
) -> None:
    for asked, why in REFUSED:
        card = only_card(trial(admin, asked))
        assert (card["outcome"], card["why"]) == ("refused", why)


def test_a_card_in_use_waits_and_names_its_servers_and_an_unclean_one_what_to_do(
    cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent
) -> None:
    agent.devices = vgpus(4)
    agent.report()
    server = claimed(cloud)
    card = only_card(trial(admin))
    assert (card["outcome"], card["now"], card["shall"]) == ("unchanged", "4 mdev nvidia-558", "whole")
    card = only_card(trial(admin, rule(type="nvidia-559", count=2)))
    assert (card["outcome"], card["servers"], card["more_servers"]) == ("waits", [server], 0)
    assert "in use by 1 server: it is cut when it has left" in card["why"]
    agent.devices = [
        each.model_copy(update={"card": OTHER.name, "name": f"x{each.name}"}) for each in vgpus(2)
    ]
    agent.cards = (OTHER,)
    agent.change(agent.devices[0].name, state=DeviceState.QUARANTINED)
    agent.report()
    card = only_card(trial(admin, rule(type="nvidia-559", count=2)))
    assert card["outcome"] == "waits"
    assert card["why"] == "1 of its slices in quarantine: `kcloud device release` them first"


def claimed(cloud: Cloud) -> str:
    """A server's claim on one of the slices."""
    server = uuid4()
    with cloud.database.transaction() as session:
        device = session.exec(select(DeviceRow).order_by(DeviceRow.name)).first()
        assert device is not None
        session.add(ClaimRow(id=uuid4(), device_id=device.id, server_id=server, created_at=utcnow()))
    return str(server)


def test_a_change_is_tried_against_what_counts_now(admin: httpx.Client, agent: ScriptedAgent) -> None:
    agent.devices = vgpus(4)
    agent.report()
    made = admin.post(
        LAYOUTS, json={"name": "q", "target": {"kind": "host", "hosts": ["host-1"]}, "cards": [rule()]}
    ).json()["layout"]
    asked = {"layout_id": made["id"], "cards": [rule()], "version": 1}
    answer = admin.post(f"{LAYOUTS}/validate", json=asked).json()
    assert only_card(answer)["outcome"] == "unchanged"
    asked["cards"] = [rule(type="nvidia-559", count=2)]
    assert only_card(admin.post(f"{LAYOUTS}/validate", json=asked).json())["outcome"] == "cut"
    stale = admin.post(f"{LAYOUTS}/validate", json={**asked, "version": 7})
    assert stale.status_code == 409
    # For all hosts there may be another one: this host's own goes before it.
    found = trial(admin, rule(type="nvidia-559", count=2))
    (host,) = found["hosts"]
    assert (host["is_ours"], host["counts"], host["cards"][0]["outcome"]) == (False, "q", "unchanged")


def test_what_would_be_refused_is_refused_on_trial_too(admin: httpx.Client, agent: ScriptedAgent) -> None:
    assert admin.post(LAYOUTS, json={"name": "q", "target": {"kind": "all"}, "cards": []}).status_code == 201
    for asked, status in (
        ({"name": "q", "target": {"kind": "host", "hosts": ["a"]}, "cards": []}, 409),
        ({"name": "r", "target": {"kind": "all"}, "cards": []}, 409),
        ({"name": "r", "target": {"kind": "host", "hosts": ["a"]}, "cards": [{"match": "gpu"}]}, 400),
        ({"name": "r"}, 400),
        ({"layout_id": str(uuid4()), "cards": []}, 404),
    ):
        assert admin.post(f"{LAYOUTS}/validate", json=asked).status_code == status, asked


def test_hosts_come_in_pages_and_those_that_are_not_there_are_named(admin: httpx.Client) -> None:
    for number in (3, 1, 2):
        agent = ScriptedAgent.enrol(admin, f"host-{number}")
        agent.cards = (L40S,)
        agent.report()
    asked = {
        "name": "new", "cards": [rule()],
        "target": {"kind": "group", "hosts": ["host-1", "host-2", "host-3", "not-here"]},
    }  # fmt: skip
    first = admin.post(f"{LAYOUTS}/validate?limit=2", json=asked).json()
    assert [each["name"] for each in first["hosts"]] == ["host-1", "host-2"]
    assert first["not_enrolled"] == ["not-here"]
    rest = admin.post(first["hosts_links"][0]["href"], json=asked).json()
    assert [each["name"] for each in rest["hosts"]] == ["host-3"]
    assert "hosts_links" not in rest
    assert rest["not_enrolled"] == []


def test_a_page_costs_the_same_statements_however_many_hosts_and_cards(
    cloud: Cloud, admin: httpx.Client
) -> None:
    counts = []
    for number in range(1, 7):
        agent = ScriptedAgent.enrol(admin, f"host-{number}", vgpus(4))
        agent.cards = (L40S, OTHER)
        agent.report()
        if number in (1, 6):
            counts.append(counted(cloud.database, lambda: trial(admin, rule())))
    assert counts[0] == counts[1]
    assert counts[1] <= 12


def counted(database: Database, act: Any) -> int:  # noqa: ANN401
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "layout" in statement or "accelerator" in statement or "hosts_host" in statement:
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)


def test_a_rule_that_fits_no_card_is_named_with_the_nearest_and_blocks_nothing(
    admin: httpx.Client, agent: ScriptedAgent
) -> None:
    rules = [rule("10de:1eb8"), rule("known")]
    made = admin.post(
        LAYOUTS, json={"name": "t4", "target": {"kind": "group", "hosts": ["host-1"]}, "cards": rules}
    ).json()["layout"]
    agent.layout_version = made["told_as"]
    agent.report()
    said = (
        "no card of this host fits rule 1 (match 10de:1eb8): nearest is pci_0000_41_00_0 (L40S, 10de:26b9, "
        "class 030200), with device 26b9 and not 1eb8"
    )
    shown = admin.get(f"/kcloud/v1/hosts/{agent.host_id}/layout").json()
    idle = [{"number": 1, "match": "10de:1eb8", "words": said}]
    assert (shown["in_step"], shown["idle_rules"]) == (True, idle)
    (host,) = admin.get(f"{LAYOUTS}/{made['id']}/hosts").json()["hosts"]
    assert (host["name"], host["in_step"], host["is_ours"], host["drifting"]) == ("host-1", True, True, [])
    assert host["idle_rules"] == idle
    found = admin.post(f"{LAYOUTS}/validate", json={"layout_id": made["id"]}).json()
    assert found["hosts"][0]["idle_rules"] == idle
    assert admin.get(f"/kcloud/v1/hosts/{agent.host_id}").json()["problems"] == []


def test_an_older_agent_that_does_not_say_what_a_rule_looks_at_is_not_guessed_about(
    admin: httpx.Client, agent: ScriptedAgent
) -> None:
    agent.cards = (L40S.model_copy(update={"class_code": "", "known": None}),)
    agent.report()
    card = only_card(trial(admin, rule("class:0302")))
    assert card["outcome"] == "untold"
    assert "rule 1" in card["why"]
    assert trial(admin, rule("class:0302"))["hosts"][0]["idle_rules"] == []


def test_a_trial_is_for_operators_alone(cloud: Cloud, agent: ScriptedAgent) -> None:
    demo = cloud.client("demo")
    asked = {"name": "new", "target": {"kind": "all"}, "cards": []}
    assert demo.post(f"{LAYOUTS}/validate", json=asked).status_code == 403
    assert demo.get(f"{LAYOUTS}/{uuid4()}/hosts").status_code == 403
