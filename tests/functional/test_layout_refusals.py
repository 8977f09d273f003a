"""What of a layout is refused, and to whom; the same whatever the database."""

from uuid import uuid4

import httpx

from tests.functional.conftest import Cloud
from tests.functional.layout_requests import LAYOUTS, QUARTERS, agent, body, make, message
from tests.functional.scripted_agent import ScriptedAgent

__all__ = ["agent"]


def test_what_no_back_end_could_do_is_refused_by_its_field(admin: httpx.Client) -> None:
    """tests/unit/test_accelerator_layouts.py has the others."""
    for change, field in (
        ({"cuts": [{"kind": "magic"}]}, "kind"),
        ({"sharing": {"policy": "lottery"}}, "policy"),
        ({"cuts": [{"kind": "mdev", "count": 2}]}, "cards.0.cuts.0.type"),
    ):
        assert field in message(admin.post(LAYOUTS, json=body(cards=[{**QUARTERS, **change}])))
    assert admin.get(LAYOUTS).json() == {"layouts": []}


def test_other_mistakes_are_named_too(admin: httpx.Client) -> None:
    twice = [QUARTERS, {**QUARTERS, "match": "10DE:26b9"}]
    assert "cards.1.match" in message(admin.post(LAYOUTS, json=body(cards=twice)))
    for kind, hosts in (("host", []), ("host", ["a", "b"]), ("group", []), ("all", ["a"]), ("some", [])):
        wrong = body() | {"target": {"kind": kind, "hosts": hosts}}
        message(admin.post(LAYOUTS, json=wrong))
    message(admin.post(LAYOUTS, json=body("doubled", "group", "a", "a")))
    for method in ("GET", "DELETE"):
        assert admin.request(method, f"{LAYOUTS}/{uuid4()}").status_code == 404
    assert admin.patch(f"{LAYOUTS}/{uuid4()}", json={}).status_code == 404
    assert admin.get(f"{LAYOUTS}?marker={uuid4()}").status_code == 400


def test_layouts_are_for_operators_alone(cloud: Cloud, admin: httpx.Client, agent: ScriptedAgent) -> None:
    made, demo = make(admin), cloud.client("demo")
    for method, path, content in (
        ("GET", "", None), ("POST", "", body("mine")), ("GET", f"/{made['id']}", None),
        ("GET", f"/{made['id']}/versions", None), ("PATCH", f"/{made['id']}", {}),
        ("DELETE", f"/{made['id']}", None),
    ):  # fmt: skip
        assert demo.request(method, LAYOUTS + path, json=content).status_code == 403
    assert demo.get(f"/kcloud/v1/hosts/{agent.host_id}/layout").status_code == 403
    assert demo.get("/kcloud/v1/cards").status_code == 403
