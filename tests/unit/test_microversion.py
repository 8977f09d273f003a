"""Nova's microversion headers, and what older versions do not show."""

import contextlib
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.compute import versions
from kcloud_api.compute.microversion import NEWEST, OLDEST, Refused, Version, asked_for


def test_without_a_header_the_oldest_version_is_spoken() -> None:
    assert asked_for(None, None) == OLDEST
    assert asked_for("identity 3.14", None) == OLDEST


@pytest.mark.parametrize(
    ("header", "legacy", "version"),
    [
        ("compute 2.87", None, Version(2, 87)),
        ("identity 3, compute 2.9", None, Version(2, 9)),
        (None, "2.26", Version(2, 26)),
        ("compute 2.100", "2.1", Version(2, 100)),
        ("compute latest", None, NEWEST),
        (None, "latest", NEWEST),
    ],
)
def test_both_headers_are_understood(header: str | None, legacy: str | None, version: Version) -> None:
    assert asked_for(header, legacy) == version


@pytest.mark.parametrize("text", ["2.101", "3.0", "2.0", "1.1"])
def test_a_version_out_of_range_is_not_acceptable(text: str) -> None:
    with pytest.raises(Refused) as refused:
        asked_for(f"compute {text}", None)
    assert refused.value.status is HTTPStatus.NOT_ACCEPTABLE
    assert text in refused.value.message


@pytest.mark.parametrize("text", ["two", "2", "2.x", "2.01.1", "02.1"])
def test_a_version_that_is_none_is_a_bad_request(text: str) -> None:
    with pytest.raises(Refused) as refused:
        asked_for(f"compute {text}", None)
    assert refused.value.status is HTTPStatus.BAD_REQUEST


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_the_headers_hold_there_is_a_version_or_a_refusal(header: str, legacy: str) -> None:
    with contextlib.suppress(Refused):
        assert OLDEST <= asked_for(header, legacy) <= NEWEST


FULL = {
    "id": "1",
    "flavor": {"original_name": "small"},
    "OS-EXT-SRV-ATTR:hostname": "x",
    **dict.fromkeys(versions.SERVER_SINCE),
}
LINK = {"id": "small", "links": []}


def test_an_old_client_gets_the_flavor_as_a_link() -> None:
    assert versions.server(FULL, Version(2, 46), flavor_link=LINK, sees_hosts=False)["flavor"] == LINK
    newer = versions.server(FULL, Version(2, 47), flavor_link=LINK, sees_hosts=False)
    assert newer["flavor"] == {"original_name": "small"}


def test_each_field_appears_with_its_version() -> None:
    for name, since in versions.SERVER_SINCE.items():
        before = Version(since.major, since.minor - 1)
        assert name not in versions.server(FULL, before, flavor_link=LINK, sees_hosts=True)
        assert name in versions.server(FULL, since, flavor_link=LINK, sees_hosts=True)


def test_the_newest_version_shows_everything() -> None:
    assert versions.server(FULL, NEWEST, flavor_link=LINK, sees_hosts=False) == FULL


def test_the_host_name_inside_the_guest_was_for_operators_first() -> None:
    name = "OS-EXT-SRV-ATTR:hostname"
    assert name not in versions.server(FULL, Version(2, 89), flavor_link=LINK, sees_hosts=False)
    assert name in versions.server(FULL, Version(2, 89), flavor_link=LINK, sees_hosts=True)
    assert name in versions.server(FULL, Version(2, 90), flavor_link=LINK, sees_hosts=False)
