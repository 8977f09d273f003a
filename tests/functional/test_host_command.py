"""`kcloud host` against the real API: what a person types to look at hosts and to forget one."""

from pathlib import Path

import httpx
import pytest

from kcloud_cli import credentials
from kcloud_cli.main import main
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import ScriptedAgent
from tests.functional.servers import NEWEST, Tenant, eventually, make_flavor, make_image


@pytest.fixture
def operator(cloud: Cloud) -> httpx.Client:
    return cloud.client()


@pytest.fixture(autouse=True)
def folder(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current one has credentials in it."""
    passwords = {"admin": cloud.passwords.admin, "demo": cloud.passwords.demo}
    credentials.write(tmp_path / "clouds.yaml", cloud.url, passwords)
    monkeypatch.chdir(tmp_path)
    for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def agents(operator: httpx.Client) -> list[ScriptedAgent]:
    made = [ScriptedAgent.enrol(operator, f"host-{number}") for number in (1, 2)]
    for agent in made:
        agent.report()
    return made


def names(operator: httpx.Client) -> list[str]:
    return [host["name"] for host in operator.get("/kcloud/v1/hosts").json()["hosts"]]


def test_hosts_are_listed_and_deleted_by_name_or_id(
    operator: httpx.Client, agents: list[ScriptedAgent], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["host", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["NAME", "host-1", "host-2"]
    assert main(["host", "show", "host-2"]) == 0
    assert capsys.readouterr().out.startswith(f"host-2 ({agents[1].host_id})")
    assert main(["host", "delete", "host-1"]) == 0
    assert capsys.readouterr().out.startswith("deleted host-1; ")
    assert names(operator) == ["host-2"]
    assert agents[0].call("POST", "session").status_code == 401
    assert agents[1].call("POST", "session").status_code == 200
    assert main(["host", "delete", str(agents[1].host_id)]) == 0
    assert names(operator) == []
    ScriptedAgent.enrol(operator, "host-1")
    assert names(operator) == ["host-1"]


def test_a_host_that_holds_a_server_is_not_deleted_and_who_asks_is_told_how_to_find_it(
    cloud: Cloud, operator: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = ScriptedAgent.enrol(operator, "host-1")
    agent.report()
    demo = cloud.client("demo")
    tenant = Tenant(demo, make_flavor(operator), make_image(demo))
    server = tenant.boot()
    eventually(lambda: agent.pull().servers, bool)
    agent.obey()
    assert main(["host", "delete", "host-1"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kcloud host: Host host-1 holds servers: delete them first. ")
    assert "`openstack server list --all-projects --host host-1`" in said.err
    listed = operator.get("/compute/v2.1/servers?all_tenants=1&host=host-1", headers=NEWEST).json()
    assert [each["id"] for each in listed["servers"]] == [server]
    tenant.delete(server)
    assert main(["host", "delete", "host-1"]) == 1, "its agent has not said yet that it is gone"
    agent.obey()
    assert main(["host", "delete", "host-1"]) == 0
    assert names(operator) == []


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
    operator: httpx.Client,
    agents: list[ScriptedAgent],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["host", "delete", *words]) == 1
    assert said in capsys.readouterr().err
    assert names(operator) == ["host-1", "host-2"]
