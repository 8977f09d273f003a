"""`kcloud layout` against the real API: what a person types, and what the documentation shows."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from kcloud_cli.main import main
from kcloud_common.wire import Ability, CardReport, SliceKind
from tests.functional.scripted_agent import ScriptedAgent, gpu

PAGE = Path(__file__).parents[2] / "docs" / "layouts.md"
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
QUARTERS = """
name = "quarters"
target = {kind = "all"}
[[cards]]
match = "10de:26b9"
cuts = [{kind = "vendor-vf", type = "1153", count = 4}]
"""


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    """With a layout in it, too."""
    (folder / "quarters.toml").write_text(QUARTERS)
    return folder


def layouts(admin: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get("/kcloud/v1/layouts").json()["layouts"]
    return found


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: re.findall(r'"(.*?)"', text)[0])
def test_an_example_of_the_documentation_is_taken_as_it_stands(
    text: str, folder: Path, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "example.toml").write_text(text)
    assert main(["layout", "create", "example.toml"]) == 0, capsys.readouterr().err
    (made,) = layouts(admin)
    assert made["name"] in capsys.readouterr().out


def test_the_documentation_has_an_example_of_each_kind() -> None:
    for kind in ("mdev", "vendor-vf", "xe-vf", "vf", "whole"):
        assert any(f'kind = "{kind}"' in text for text in EXAMPLES), kind


def test_what_show_prints_is_edited_and_given_back_unless_somebody_was_faster(
    folder: Path, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layout", "create", "quarters.toml"]) == 0
    capsys.readouterr()
    assert main(["layout", "show", "quarters", "--json"]) == 0
    (folder / "edited.json").write_text(capsys.readouterr().out.replace('"count": 4', '"count": 2'))
    assert main(["layout", "update", "quarters", "edited.json"]) == 0
    (now,) = layouts(admin)
    assert (now["version"], now["cards"][0]["cuts"][0]["count"]) == (2, 2)
    capsys.readouterr()
    assert main(["layout", "update", "quarters", "edited.json"]) == 1
    assert "version 2: look at it again" in capsys.readouterr().err
    assert main(["layout", "show", "quarters", "--version", "1"]) == 0
    assert "4 vendor-vf 1153" in capsys.readouterr().out
    assert main(["layout", "show", "quarters", "--version", "7"]) == 2
    assert "versions 1 to 2" in capsys.readouterr().err


def test_layouts_are_listed_and_deleted_by_name(
    admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["layout", "list"]) == 0
    assert "There are no layouts" in capsys.readouterr().out
    assert main(["layout", "create", "quarters.toml"]) == 0
    capsys.readouterr()
    assert main(["layout", "list"]) == 0
    assert "all hosts  10de:26b9 4 vendor-vf 1153" in capsys.readouterr().out
    assert main(["layout", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == layouts(admin)
    assert main(["layout", "delete", "quarters"]) == 0
    assert layouts(admin) == []


def test_status_says_how_a_host_stands_and_ends_accordingly(
    admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    agent.report()
    assert main(["layout", "status", "host-1"]) == 0
    assert "whole cards" in capsys.readouterr().out
    assert main(["layout", "create", "quarters.toml"]) == 0
    capsys.readouterr()
    assert main(["layout", "status", "host-1"]) == 1
    assert "has not answered to this version yet" in capsys.readouterr().out
    card = CardReport(name="pci_0000_41_00_0", address="0000:41:00.0", vendor_id="10de", product_id="26b9")
    agent.layout_version = layouts(admin)[0]["told_as"]
    agent.cards = (card.model_copy(update={"drift": "in use: 1 of 4 slices"}),)
    agent.report()
    assert main(["layout", "status", "host-1"]) == 1
    assert "pci_0000_41_00_0: in use: 1 of 4 slices" in capsys.readouterr().out
    assert main(["card", "list", "--differing"]) == 0
    assert "differs" in capsys.readouterr().out
    agent.cards = (card,)
    agent.report()
    assert main(["layout", "status", "host-1"]) == 0
    capsys.readouterr()
    assert main(["card", "list", "--differing"]) == 0
    assert capsys.readouterr().out == "No card differs from its layout.\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("layout", "create", "nowhere.toml"), 2, "nowhere.toml cannot be read"),
        (("layout", "create", "partly.toml"), 2, "partly.toml lacks target, cards"),
        (("layout", "create", "wrong.toml"), 2, "cards.0.cuts.0.type"),
        (("layout", "show", "nix"), 1, "no layout 'nix'; there are: none"),
        (("layout", "status", "nix"), 1, "no host 'nix'; there are: none"),
        (("card", "show", "nix/pci_0000_41_00_0"), 1, "no host 'nix'; there are: none"),
        (("device", "show", "nix/pci_0000_41_00_0"), 1, "no host 'nix'; there are: none"),
        (("layout", "list", "--os-cloud", "kcloud-demo"), 1, "It is for operators"),
        (("layout", "list", "--os-cloud", "nix"), 1, "no cloud 'nix'"),
    ],
)
def test_an_error_says_what_is_wrong(
    words: tuple[str, ...], status: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "partly.toml").write_text('name = "partly"')
    (folder / "wrong.toml").write_text(QUARTERS.replace('type = "1153", ', ""))
    assert main(words) == status
    assert said in capsys.readouterr().err


L40S = CardReport(
    name="pci_0000_41_00_0", address="0000:41:00.0", vendor_id="10de", product_id="26b9", model="L40S",
    class_code="030200", known=True, abilities=(Ability(kind=SliceKind.VENDOR_VF, most=32),),
)  # fmt: skip


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    folder: Path, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    agent.cards = (L40S,)
    agent.report()
    assert main(["layout", "create", "quarters.toml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"host-1 +pci_0000_41_00_0 +L40S +whole +4 vendor-vf 1153 +cut\n", out)
    assert out.endswith("cards: 1 would be cut. Nothing was changed.\n")
    assert layouts(admin) == []
    (folder / "many.toml").write_text(QUARTERS.replace("count = 4", "count = 40"))
    assert main(["layout", "create", "many.toml", "--dry-run"]) == 1
    assert "refused: 40 of kind vendor-vf are wanted" in capsys.readouterr().out
    assert main(["layout", "create", "quarters.toml"]) == 0
    capsys.readouterr()
    assert main(["layout", "update", "quarters", "many.toml", "--dry-run", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["outcomes"] == {"refused": 1}
    assert layouts(admin)[0]["version"] == 1


def test_a_rule_that_fits_no_card_is_said_by_show_and_status_and_is_no_alarm(
    folder: Path, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("host-1", "host-2"):
        agent = ScriptedAgent.enrol(admin, name, [gpu()])
        agent.cards = (L40S,)
        agent.report()
    (folder / "t4.toml").write_text(QUARTERS.replace("26b9", "1eb8"))
    assert main(["layout", "create", "t4.toml"]) == 0
    agent.layout_version = layouts(admin)[0]["told_as"]
    agent.report()
    capsys.readouterr()
    assert main(["layout", "show", "quarters"]) == 0
    out = capsys.readouterr().out
    assert "hosts for which it counts: 2; standing as wanted: 1" in out
    assert "rule 1 (match 10de:1eb8) fits no card of any of them; host-1: nearest is pci_0000_41_00_0" in out
    assert "host-1: has not answered to this version yet" in out
    assert main(["layout", "status", "host-2"]) == 0
    assert "but no rule of it fits a card here" in capsys.readouterr().out


def test_outputs_stay_readable_however_long_what_hosts_say(
    admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns stand below each other, no line of a table is endless, and no raw value shows."""
    agent = ScriptedAgent.enrol(admin, "host-1", [gpu()])
    long = L40S.model_copy(update={
        "drift": "card pci_0000_41_00_0 shall be " + "x" * 900,
        "abilities": tuple(
            Ability(kind=SliceKind.MDEV, type=f"nvidia-{n}", most=4, refused="because " * 60)
            for n in range(40)
        ),
    })  # fmt: skip
    agent.cards = (long,)
    agent.report()
    rules = [{"match": f"10de:{n:04x}", "cuts": []} for n in range(200)]
    made = {"name": "many", "target": {"kind": "all", "hosts": []}, "cards": rules}
    assert admin.post("/kcloud/v1/layouts", json=made).status_code == 201
    for words in (("card", "list"), ("layout", "list"), ("device", "list"), ("device", "list", "--long")):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert all(len(line) <= 240 for line in out.splitlines()), words
        assert not re.search(r"[{}]|None|\[\]", out), words
        assert main([*words, "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), list)
    assert main(["card", "show", "pci_0000_41_00_0"]) == 0
    table = capsys.readouterr().out.split("CAN BE CUT INTO")[1].splitlines()
    assert all(len(line) <= 100 for line in table[:41])
