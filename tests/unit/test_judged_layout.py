"""By which layout an agent has judged its host's cards: its report says no other."""

from pathlib import Path

from kcloud_common.wire import LayoutWant
from tests.unit.care_world import place


def test_a_layout_counts_as_taken_into_account_once_cards_were_judged_by_it(tmp_path: Path) -> None:
    sight = place(tmp_path).agent().watch().sight
    assert sight.layout_version == ""
    first, second = LayoutWant(version="1"), LayoutWant(version="2")
    sight.look(0.0, {}, first)
    assert sight.layout_version == "1"
    sight.hold(True, 1.0)
    sight.look(1.0, {}, second)
    assert sight.layout_version == "1", "another card is being cut"
    sight.hold(False, 2.0)
    sight.look(2.0, {}, second)
    assert sight.layout_version == "2"
    sight.look(3.0, {}, None)
    assert sight.layout_version == ""
