"""`kcloud host` against the real API: what a person types to look at hosts and to forget one."""

import httpx
import pytest

from kcloud_cli.main import main
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent
from tests.functional.servers import NEWEST, Tenant, eventually, make_flavor, make_image

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def agents(admin: httpx.Client) -> list[ScriptedAgent]:
    made = [ScriptedAgent.enrol(admin, f"host-{number}") for number in (1, 2)]
    for agent in made:
        agent.report()
    return made


def names(admin: httpx.Client) -> list[str]:
    return [host["name"] for host in admin.get("/kcloud/v1/hosts").json()["hosts"]]


def test_hosts_are_listed_and_deleted_by_name_or_id(
    admin: httpx.Client, agents: list[ScriptedAgent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["NAME", "host-1", "host-2"]
    assert main(["host", "show", "host-2"]) == 0
    assert capsys.readouterr().out.startswith(f"host-2 ({agents[1].host_id})")
    assert main(["host", "delete", "host-1"]) == 0
    assert capsys.readouterr().out.startswith("deleted host-1; ")
    assert names(admin) == ["host-2"]
    assert agents[0].call("POST", "session").status_code == 401
    assert agents[1].call("POST", "session").status_code == 200
    assert main(["host", "delete", str(agents[1].host_id)]) == 0
    assert names(admin) == []
    ScriptedAgent.enrol(admin, "host-1")
    assert names(admin) == ["host-1"]


def test_a_host_that_holds_a_server_is_not_deleted_and_who_asks_is_told_how_to_find_it(
    cloud: Cloud, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = ScriptedAgent.enrol(admin, "host-1")
    agent.report()
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(admin), make_image(demo))
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    assert main(["host", "delete", "host-1"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kcloud host: Host host-1 holds servers: delete them first. ")
    assert "`openstack server list --all-projects --host host-1`" in said.err
    listed = admin.get("/compute/v2.1/servers?all_tenants=1&host=host-1", headers=NEWEST).json()
    assert [each["id"] for each in listed["servers"]] == [server]
    tenant.delete(server)
    assert main(["host", "delete", "host-1"]) == 1, "its agent has not said yet that it is gone"
    agent.obey()
    assert main(["host", "delete", "host-1"]) == 0
    assert names(admin) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nix",), "no host 'nix'; there are: host-1, host-2"),
        (("host-1", "--os-cloud", "kcloud-demo"), "It is for operators"),
    ],
)
def test_who_may_not_or_names_no_host_deletes_none(
    words: tuple[str, ...],
    said: str,
    admin: httpx.Client,
    agents: list[ScriptedAgent],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["host", "delete", *words]) == 1
    assert said in capsys.readouterr().err
    assert names(admin) == ["host-1", "host-2"]
