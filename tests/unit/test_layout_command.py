"""What `kcloud layout` reads from files, and what it prints."""

import json
from typing import Any

import pytest

from kcloud_cli.layout_file import parse
from kcloud_cli.layout_text import layout_described, layout_table, standing
from kcloud_common.errors import BadRequest

TOML = """
name = "quarters"
target = {kind = "host", hosts = ["t4"]}

[[cards]]
match = "10de:1eb8"
cuts = [{kind = "mdev", type = "nvidia-232", count = 4}]
"""
CUT = {"kind": "mdev", "type": "nvidia-232", "count": 4}
BODY = {
    "name": "quarters",
    "target": {"kind": "host", "hosts": ["t4"]},
    "cards": [{"match": "10de:1eb8", "cuts": [CUT]}],
}
SHOWN: dict[str, Any] = {
    "id": "l-1", "name": "quarters", "version": 3, "told_as": "l-1:3", "user_id": "u",
    "created_at": "2026-01-02",
    "target": {"kind": "group", "hosts": ["a", "b", "c", "d"]},
    "cards": [
        {
            "match": "10de:1eb8",
            "sharing": {"policy": "equal", "quantum_us": 2000, "preempt_timeout_us": None, "weight": None},
            "cuts": [
                {**CUT, "resource_class": None, "traits": [], "memory_mib": None, "sharing": None},
                {"kind": "xe-vf", "type": "", "count": 2, "resource_class": "VGPU", "traits": ["CUSTOM_A"],
                 "memory_mib": 4096, "sharing": {"policy": None, "quantum_us": None, "weight": 3,
                                                 "preempt_timeout_us": 640000}},
            ],
        },
        {"match": "class:1200", "cuts": [], "sharing": None},
    ],
}  # fmt: skip


def test_toml_and_json_say_the_same() -> None:
    assert parse(TOML, "a.toml") == BODY
    assert parse(json.dumps(BODY), "a.json") == BODY


def test_what_show_has_printed_can_be_given_back() -> None:
    assert set(parse(json.dumps(SHOWN), "-")) == {"name", "version", "target", "cards"}


@pytest.mark.parametrize("text", ["name = ", "{", "[]", "[[cards]", '{"a": 1} 2'])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(text: str) -> None:
    with pytest.raises(BadRequest, match=r"a\.file is no (TOML|JSON): "):
        parse(text, "a.file")


def test_a_list_says_who_layouts_are_for() -> None:
    _head, first = layout_table([SHOWN]).splitlines()
    assert "group a, b, c and 1 more" in first
    assert "10de:1eb8 4 mdev nvidia-232, 2 xe-vf; class:1200 whole" in first


def test_a_layout_is_shown_cut_by_cut_with_the_sharing_that_counts() -> None:
    *_, head, first, second, third = layout_described(SHOWN).splitlines()
    assert head.split()[:4] == ["RULE", "CARDS", "SLICES", "CLASS"]
    assert first.split()[:2] == ["1", "10de:1eb8"]
    assert "equal, quantum 2000 us" in first
    assert "4 GiB" in second
    assert "preempted after 640000 us, weight 3" in second
    assert third.split()[:3] == ["2", "class:1200", "whole"]
    assert "all are offered whole" in layout_described({**SHOWN, "cards": []})


def test_how_a_host_stands_is_said_in_words() -> None:
    good = {
        "wanted": SHOWN, "reported_version": "l-1:3", "in_step": True, "cards": [], "idle_rules": [],
    }  # fmt: skip
    assert standing("a", good) == "a stands as wanted (layout quarters, version 3)."
    idle = standing("a", {**good, "idle_rules": [{"words": "rule 2 fits no card"}]})
    assert idle.splitlines() == ["a stands as wanted (layout quarters, version 3).", "  rule 2 fits no card"]
    cards = [{"name": "pci_1", "drift": "in use"}, {"name": "pci_2", "drift": ""}]
    said = standing("a", {**good, "in_step": False, "cards": cards})
    assert said.splitlines() == [
        "a does not stand as wanted (layout quarters, version 3).", "  pci_1: in use",
    ]  # fmt: skip
    late = {**good, "in_step": False, "reported_version": "l-1:2"}
    assert "has not answered to this version yet" in standing("a", late)
    assert "no layout: whole cards" in standing("a", {**good, "wanted": None})
