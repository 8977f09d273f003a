"""The enforcer: defaults from code, an operator's file over them, and nothing allowed by accident."""

import uuid
from pathlib import Path

import pytest

from kcloud_api.caller import Caller
from kcloud_api.http.policy import Enforcer, PolicyRule
from kcloud_common.config import BadConfig

RULES = (
    PolicyRule("thing:show", "role:admin or project_id:%(project_id)s", "Show a thing."),
    PolicyRule("thing:make", "role:member", "Make a thing."),
    PolicyRule("thing:break", "role:admin", "Break a thing."),
    PolicyRule("thing:system", "system_scope:all", "Only for system-scoped tokens."),
)


def caller(*roles: str, project: str | None = "p1", system: bool = False) -> Caller:
    return Caller(user_id=uuid.uuid4().hex, project_id=project, roles=frozenset(roles), system=system)


def test_a_member_sees_what_is_his_projects_and_not_what_is_anothers() -> None:
    enforcer = Enforcer(RULES)
    assert enforcer.check(caller("member"), "thing:show", {"project_id": "p1"})
    assert not enforcer.check(caller("member"), "thing:show", {"project_id": "p2"})
    assert enforcer.check(caller("admin"), "thing:show", {"project_id": "p2"})


def test_roles_are_compared_without_case() -> None:
    assert Enforcer(RULES).check(caller("Member"), "thing:make", {})


def test_a_caller_without_a_project_does_not_own_what_has_none() -> None:
    enforcer = Enforcer(RULES)
    assert not enforcer.check(caller("member", project=None), "thing:show", {"project_id": None})
    assert not enforcer.check(caller("member", project=None), "thing:show", {})
    assert not enforcer.check(caller("member", project=None), "thing:show", {"project_id": "None"})


def test_system_scope_is_seen() -> None:
    enforcer = Enforcer(RULES)
    assert enforcer.check(caller("reader", project=None, system=True), "thing:system", {})
    assert not enforcer.check(caller("admin"), "thing:system", {})


def test_a_rule_that_nobody_defined_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert not Enforcer(RULES).check(caller("admin"), "thing:sing", {})
    assert "policy_rule_unknown" in caplog.text


def test_an_operators_file_overrides_a_default_and_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"ops": "role:admin or role:operator"\n"thing:break": "rule:ops"\n')
    enforcer = Enforcer(RULES, str(file))
    assert enforcer.check(caller("operator"), "thing:break", {})
    assert not enforcer.check(caller("operator"), "thing:make", {})


@pytest.mark.parametrize(
    "text", ['"thing:break": "rule:nowhere"', "- a list", '"a": "rule:b"\n"b": "rule:a"']
)
def test_a_file_that_makes_no_sense_stops_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text + "\n")
    with pytest.raises(BadConfig):
        Enforcer(RULES, str(file))


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.yaml"):
        Enforcer(RULES, str(tmp_path / "nowhere.yaml"))


def test_two_rules_of_one_name_stop_the_start() -> None:
    with pytest.raises(BadConfig, match="twice"):
        Enforcer((*RULES, RULES[0]))


def test_the_same_question_in_another_request_has_the_same_answer_and_another_callers_has_its_own() -> None:
    enforcer = Enforcer(RULES)
    mine = Caller(user_id="u", project_id="p1", request_id="req-1")
    again = Caller(user_id="u", project_id="p1", request_id="req-2")
    other = Caller(user_id="u", project_id="p2", request_id="req-3")
    target = {"project_id": "p1"}
    answers = [enforcer.check(one, "thing:show", target) for one in (mine, again, other, mine, other)]
    assert answers == [True, True, False, True, False]


def test_a_check_that_asks_elsewhere_is_asked_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from oslo_policy import _checks

    asked: list[str] = []

    class Elsewhere(_checks.Check):
        def __call__(self, *_: object, **_more: object) -> bool:
            asked.append(self.match)
            return len(asked) == 1

    monkeypatch.setitem(_checks.registered_checks, "elsewhere", Elsewhere)
    rules = (PolicyRule("thing:show", "role:admin or not (not elsewhere:there)", "Show a thing."),)
    enforcer, member = Enforcer(rules), caller("member")
    assert [enforcer.check(member, "thing:show", {}) for _ in range(2)] == [True, False]
