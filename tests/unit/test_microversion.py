"""Microversion headers as each service reads them, and what Nova's older versions do not show."""

import contextlib
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from kcloud_api.accelerator.cyborg.microversion import ACCELERATOR
from kcloud_api.compute import versions
from kcloud_api.compute.microversion import COMPUTE, NEWEST, OLDEST
from kcloud_api.http.microversions import HEADER, LONGEST_ECHO, Dialect, Refused, Version
from kcloud_api.placement.microversion import PLACEMENT

LEGACY = "X-OpenStack-Nova-API-Version"
DIALECTS = (COMPUTE, ACCELERATOR, PLACEMENT)
each_service = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.names[0])


def asked(dialect: Dialect, *lines: str, legacy: str | None = None) -> Version:
    """The version of a request with these header lines."""
    raw = [(HEADER.lower().encode(), line.encode("latin-1")) for line in lines]
    if legacy is not None:
        raw.append((LEGACY.lower().encode(), legacy.encode("latin-1")))
    return dialect.asked_for(Headers(raw=raw))


@each_service
def test_without_a_header_the_oldest_version_is_spoken(dialect: Dialect) -> None:
    assert asked(dialect) == dialect.oldest
    assert asked(dialect, "identity 3.14") == dialect.oldest
    assert asked(dialect, "") == dialect.oldest


@pytest.mark.parametrize(
    ("header", "legacy", "version"),
    [
        ("compute 2.87", None, Version(2, 87)),
        ("identity 3, compute 2.9", None, Version(2, 9)),
        ("", "2.26", Version(2, 26)),
        ("compute 2.100", "2.1", Version(2, 100)),
        ("compute latest", None, NEWEST),
        ("", "latest", NEWEST),
        ("", "2.1, 2.26", Version(2, 26)),
    ],
)
def test_nova_reads_both_its_headers(header: str, legacy: str | None, version: Version) -> None:
    assert asked(COMPUTE, header, legacy=legacy) == version


@each_service
def test_the_header_may_come_several_times_and_the_last_word_counts(dialect: Dialect) -> None:
    name, newest = dialect.names[0], dialect.newest
    assert asked(dialect, "identity 3.14", f"{name} {newest}", "volume 3.70") == newest
    assert asked(dialect, f"{name} {dialect.oldest}, {name.title()} {newest}") == newest
    assert asked(dialect, f"{name}\t{newest}") == newest


@each_service
@pytest.mark.parametrize("text", ["9.0", "0.9", "1.999", "999999.999999"])
def test_a_version_out_of_range_is_not_acceptable(dialect: Dialect, text: str) -> None:
    if dialect is COMPUTE and text == "0.9":
        text = "1.1"
    with pytest.raises(Refused) as refused:
        asked(dialect, f"{dialect.names[0]} {text}")
    assert refused.value.status is HTTPStatus.NOT_ACCEPTABLE
    assert text in refused.value.message


@each_service
@pytest.mark.parametrize("text", ["two", "2", "2.x", "2.1.1", "9999999.1", "2.\xb3", "{text}", "-1.0"])
def test_a_version_that_is_none_is_refused(dialect: Dialect, text: str) -> None:
    with pytest.raises(Refused) as refused:
        asked(dialect, f"{dialect.names[0]} {text}")
    assert refused.value.status is dialect.malformed[0]


def test_nova_takes_no_leading_zeros() -> None:
    with pytest.raises(Refused):
        asked(COMPUTE, "compute 2.01")
    assert asked(PLACEMENT, "placement 01.02") == Version(1, 2)


def test_only_cyborg_takes_a_version_without_a_name() -> None:
    assert asked(ACCELERATOR, "2.3") == asked(ACCELERATOR, "accelerator LATEST") == Version(2, 3)
    assert asked(COMPUTE, "2.87") == OLDEST
    with pytest.raises(Refused):
        asked(COMPUTE, "compute LATEST")


@each_service
def test_a_refusal_repeats_no_more_than_a_few_words(dialect: Dialect) -> None:
    with pytest.raises(Refused) as refused:
        asked(dialect, f"{dialect.names[0]} {'9' * 60_000}")
    assert len(refused.value.message) < LONGEST_ECHO + 120


@given(
    st.lists(st.text(st.characters(max_codepoint=255), max_size=20), max_size=3), st.sampled_from(DIALECTS)
)
def test_whatever_the_headers_hold_there_is_a_version_or_a_refusal(
    lines: list[str], dialect: Dialect
) -> None:
    named = [f"{dialect.names[0]} {line}" for line in lines]
    for some in (lines, named):
        with contextlib.suppress(Refused):
            assert dialect.oldest <= asked(dialect, *some) <= dialect.newest


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
