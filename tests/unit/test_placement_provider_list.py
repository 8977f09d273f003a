"""The list of providers that is written as text says what the one of objects says."""

from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.placement.provider_list import BEGINNING, BETWEEN, END, Listed, Writer, latest
from kcloud_api.placement.provider_views import provider
from kcloud_api.placement.providers import ProviderRecord

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
RECORDS = st.builds(
    ProviderRecord,
    id=st.uuids(),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    generation=st.integers(0, 2**40),
    parent_id=st.none() | st.uuids(),
    root_id=st.uuids(),
    updated_at=st.just(NOW),
)


@given(st.lists(RECORDS, max_size=4), st.integers(0, 39), st.sampled_from(["", "/placement", '/a"b\\']))
def test_it_is_what_objects_would_make(records: list[ProviderRecord], minor: int, prefix: str) -> None:
    expected = [provider(each, minor, prefix) for each in records]
    native = [
        Listed(
            str(r.id), r.name, r.generation, str(r.parent_id) if r.parent_id else None, str(r.root_id), 0.0
        )
        for r in records
    ]
    hexed = [
        Listed(r.id.hex, r.name, r.generation, r.parent_id.hex if r.parent_id else None, r.root_id.hex, "")
        for r in records
    ]
    writer = Writer(minor, prefix)
    for rows in (native, hexed):
        whole = BEGINNING + writer.piece(rows) + END
        assert orjson.loads(whole) == {"resource_providers": expected}
        one_by_one = BEGINNING + BETWEEN.join(writer.piece([row]) for row in rows) + END
        assert one_by_one == whole


def test_the_latest_change_is_told_of_either_database() -> None:
    texts = ["2026-01-02 03:04:05.000678", "2025-12-31 23:59:59.999999"]
    assert latest([Listed("", "", 0, None, "", text) for text in texts]) == NOW
    assert latest([Listed("", "", 0, None, "", NOW.timestamp())]) == NOW
    assert latest([]) is None
