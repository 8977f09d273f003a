"""What tests ask of the API about layouts, and a host to which it matters."""

from typing import Any

import httpx
import pytest

from tests.functional.scripted_agent import ScriptedAgent, gpu

LAYOUTS = "/kcloud/v1/layouts"
QUARTERS = {
    "match": "10de:26b9",
    "cuts": [{"kind": "mdev", "type": "nvidia-558", "count": 4}],
    "sharing": {"policy": "equal", "quantum_us": 2000},
}


def body(name: str = "quarters", kind: str = "all", *hosts: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"name": name, "target": {"kind": kind, "hosts": list(hosts)}, "cards": [QUARTERS], **more}


def make(admin: httpx.Client, *words: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = admin.post(LAYOUTS, json=body(*words, **more))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["layout"]
    return made


def message(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["errors"][0]["detail"]
    return detail


@pytest.fixture
def agent(admin: httpx.Client) -> ScriptedAgent:
    made = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    made.report()
    return made
