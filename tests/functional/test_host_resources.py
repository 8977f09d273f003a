"""What a host counts and no server can have: seen by operators, refused to flavors in each of their ways."""

import httpx
import pytest

from kcloud_cli.explain import text
from kcloud_cli.host import described
from kcloud_cli.operator_api import HostView
from kcloud_common.wire import ResourceReport
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent, gpu
from tests.functional.servers import Tenant, make_flavor, make_image

RANKS = "CUSTOM_PIM_UPMEM_RANK"


@pytest.fixture
def options() -> tuple[str, ...]:
    return (f'pci.alias={{"name": "pim", "resource_class": "{RANKS}"}}',)


@pytest.fixture
def agent(cloud: Cloud) -> ScriptedAgent:
    made = ScriptedAgent.enrol(cloud.client(), "pim-1", [gpu()])
    made.resources = (ResourceReport(resource_class=RANKS, total=40, declared=True),)
    made.report()
    return made


def inventories(cloud: Cloud, agent: ScriptedAgent) -> dict[str, dict[str, int]]:
    answer = cloud.client().get(f"/placement/resource_providers/{agent.host_id}/inventories")
    assert answer.status_code == 200, answer.text
    found: dict[str, dict[str, int]] = answer.json()["inventories"]
    return found


def test_what_no_server_can_have_is_an_inventory_of_the_host_all_of_it_reserved(
    cloud: Cloud, agent: ScriptedAgent
) -> None:
    ranks = inventories(cloud, agent)[RANKS]
    assert (ranks["total"], ranks["reserved"]) == (40, 40)
    candidates = cloud.client().get(
        "/placement/allocation_candidates",
        params={"resources": f"{RANKS}:1"},
        headers={"OpenStack-API-Version": "placement 1.39"},
    )
    assert candidates.json()["allocation_requests"] == []
    agent.resources = ()
    agent.report()
    assert RANKS not in inventories(cloud, agent)


def test_an_operator_sees_it_with_the_host(cloud: Cloud, agent: ScriptedAgent) -> None:
    view = cloud.client().get(f"/kcloud/v1/hosts/{agent.host_id}").json()
    shown = described(
        HostView(
            agent.host_id, view["name"], view["state"], view["ready"], view["enabled"], view["last_seen"],
            view["epoch"], tuple(view["problems"]), view["report"], tuple(view["devices"]),
        )
    )  # fmt: skip
    assert f"  counted     {RANKS}  40, says its operator; no server can have any" in shown.splitlines()


def test_a_host_cannot_count_what_servers_are_made_of(cloud: Cloud, agent: ScriptedAgent) -> None:
    """Its own processors stay what they are."""
    body = {"resource_class": "VCPU", "total": 1}
    with pytest.raises(ValueError, match="resource_class"):
        ResourceReport.model_validate(body)


def test_who_asks_why_he_cannot_have_it_is_told_that_nobody_can(cloud: Cloud, agent: ScriptedAgent) -> None:
    ScriptedAgent.enrol(cloud.client(), "plain-1", [gpu()]).report()
    query = f"resources=VCPU:1,{RANKS}:1"
    told = cloud.client().get(f"/kcloud/v1/explain?{query}").json()["explanation"]
    assert text(told).splitlines() == [
        "2 hosts, of which 0 can serve this.",
        "",
        "REMOVED  LEFT  REASON                    THESE HOSTS",
        f"1        1     resource_class_absent     has no {RANKS}",
        f"1        0     resource_class_too_small  counts {RANKS}, but no server can have any",
        "",
        "NEAREST  REASON                    THIS HOST",
        f"pim-1    resource_class_too_small  counts {RANKS}, but no server can have any",
        f"plain-1  resource_class_absent     has no {RANKS}",
        "",
        f"What would help: ask without {RANKS}: hosts count their ranks of UPMEM memory, and no server can "
        "have any.",
    ]
    assert cloud.client().patch(f"/kcloud/v1/hosts/{agent.host_id}", json={"enabled": False}).is_success
    told = cloud.client("demo").get(f"/kcloud/v1/explain?{query}").json()["explanation"]
    assert told["help"].startswith(f"ask without {RANKS}"), "no host that comes back would help"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"resources:{RANKS}", "1"),
        (f"resources_ranks:{RANKS}", "2"),
        ("accel:device_profile", "ranks"),
        ("pci_passthrough:alias", "pim:1"),
    ],
)
def test_a_flavor_that_asks_for_it_is_refused_and_boots_nothing_without_it(
    cloud: Cloud, agent: ScriptedAgent, key: str, value: str
) -> None:
    admin = cloud.client(headers={"OpenStack-API-Version": "accelerator 2.3"})
    made = admin.post(
        "/accelerator/v2/device_profiles", json=[{"name": "ranks", "groups": [{f"resources:{RANKS}": "1"}]}]
    )
    assert made.status_code == 201, made.text
    flavor = make_flavor(admin, "pim")
    specs = admin.post(f"/compute/v2.1/flavors/{flavor}/os-extra_specs", json={"extra_specs": {key: value}})
    assert specs.status_code == 200, specs.text
    tenant = Tenant(cloud.client("demo"), flavor, make_image(admin, visibility="public"))
    refused: httpx.Response = tenant.ask()
    assert refused.status_code == 400
    asked = cloud.client("demo").get(f"/kcloud/v1/explain?flavor={flavor}")
    assert asked.status_code == 400
    for answer in (refused, asked):
        assert "hosts count their ranks of UPMEM memory, and no server can have any" in answer.text
