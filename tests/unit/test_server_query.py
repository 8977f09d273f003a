"""What the parameters of a list of servers ask for."""

import pytest

from kcloud_api.compute.query import Scope, filter_of, page_of, wants_all_projects
from kcloud_api.compute.states import State
from kcloud_common.errors import BadRequest

MEMBER = Scope("mine", admin=False)
ADMIN = Scope("mine", admin=True)


def test_a_member_sees_his_own_project_whatever_he_asks() -> None:
    params = {"all_tenants": "1", "project_id": "theirs", "deleted": "true", "host": "host-1"}
    wanted = filter_of(params, MEMBER)
    assert (wanted.project_id, wanted.deleted, wanted.host_name) == ("mine", False, None)


def test_an_admin_sees_all_projects_or_one_of_them_when_he_says_so() -> None:
    assert filter_of({}, ADMIN).project_id == "mine"
    assert filter_of({"all_tenants": "1"}, ADMIN).project_id is None
    assert filter_of({"all_tenants": "1", "project_id": "theirs"}, ADMIN).project_id == "theirs"
    assert filter_of({"all_tenants": "0"}, ADMIN).project_id == "mine"


def test_all_tenants_without_a_value_means_yes_and_nonsense_is_refused() -> None:
    assert wants_all_projects({"all_tenants": ""})
    assert not wants_all_projects({})
    with pytest.raises(BadRequest):
        wants_all_projects({"all_tenants": "maybe"})


def test_a_status_is_a_set_of_states_and_an_unknown_one_matches_nothing() -> None:
    assert filter_of({"status": "build"}, MEMBER).states == frozenset({State.PLACING, State.BUILDING})
    assert filter_of({"status": "NONSENSE"}, MEMBER).states == frozenset()
    assert filter_of({"status": "DELETED"}, MEMBER).states == frozenset()
    assert filter_of({"status": "DELETED"}, ADMIN).deleted


def test_a_page_is_bounded() -> None:
    assert page_of({"limit": "5"}, 1000).limit == 5
    assert page_of({"limit": "5000"}, 1000).limit == 1000
    assert page_of({}, 1000).limit == 1000


@pytest.mark.parametrize(
    "params", [{"limit": "-1"}, {"limit": "ten"}, {"limit": "٣"}, {"marker": "x"}, {"sort_dir": "up"}]
)
def test_a_page_that_is_none_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        page_of(params, 1000)


def test_a_limit_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(BadRequest):
        page_of({"limit": "9" * 5000}, 1000)
