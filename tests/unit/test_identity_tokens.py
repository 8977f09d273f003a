"""What tokens say, what roles imply, and how passwords are kept."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.identity.passwords import hash_password, password_matches
from kcloud_api.identity.roles.service import Scope
from kcloud_api.identity.tokens.format import Payload, Unreadable, pack, unpack

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
IDS = st.text(min_size=1, max_size=64)
PAYLOADS = st.builds(
    Payload,
    user_id=IDS,
    scope=st.none() | st.builds(Scope, kind=st.sampled_from(("project", "domain", "system")), id=IDS),
    methods=st.lists(st.sampled_from(("password", "token")), min_size=1, max_size=2).map(tuple),
    issued_at=MOMENTS,
    expires_at=MOMENTS,
    audit_ids=st.lists(IDS, min_size=1, max_size=2).map(tuple),
)


@given(PAYLOADS)
def test_a_token_says_what_was_put_into_it(payload: Payload) -> None:
    assert unpack(pack(payload)) == payload


@given(st.binary(max_size=200))
def test_other_bytes_are_no_token(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


@pytest.mark.parametrize(
    "data", [b"[]", b"[2,1,null,[],0,0,[]]", b'[1,"u",[],["password"],0,0,["a"]]', b"{}"]
)
def test_a_token_of_another_shape_or_version_is_no_token(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


@pytest.mark.parametrize("password", ["", "short", "x" * 500, "nul\0inside", "pässwörd"])
def test_the_whole_password_counts(password: str) -> None:
    hashed = hash_password(password, 4)
    assert password_matches(password, hashed, 4)
    assert not password_matches(password + "x", hashed, 4)
    assert not password_matches(password, None, 4)
