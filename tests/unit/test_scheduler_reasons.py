"""From a ledger to words: what anybody may read, what operators need, and that every code has its own."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from kcloud_api.placement.constraints import AMOUNTS, CODES, SIZES, Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.ledger import UNKNOWN, Entry, Ledger
from kcloud_api.scheduler import apart, ledger_view, machine, wording
from kcloud_api.scheduler.reasons import REASONS_TOLD, advice, explain, summary

ABSENT = Constraint("resource_class_absent", ("",), "PGPU", 1)
SHORT = Constraint("resource_class_short", ("",), "PGPU", 1)
DOWN = Constraint("host_down")


def ledger_of(*removed: tuple[Constraint, int], left: int = 0, nearest: Sequence[NearestMiss] = ()) -> Ledger:
    remaining = hosts = left + sum(count for _, count in removed)
    entries = []
    for constraint, count in removed:
        remaining -= count
        entries.append(Entry(constraint, count, remaining))
    return Ledger(hosts, tuple(entries), tuple(nearest))


def missed(number: int, constraint: Constraint, *has: int, also: Sequence[Constraint] = ()) -> NearestMiss:
    return NearestMiss(UUID(int=number), f"host-{number}", constraint, has, tuple(also), number)


def test_the_message_counts_hosts_in_order_and_says_what_helps_the_nearest() -> None:
    ledger = ledger_of((DOWN, 1), (ABSENT, 2), (SHORT, 1), nearest=[missed(1, SHORT), missed(2, DOWN)])
    assert explain(ledger).message == (
        "No valid host was found. 1 host is down; 2 hosts have no PGPU; 1 host has too little PGPU free "
        "(1 needed). What would help: delete a server that holds PGPU, or have a host with PGPU added."
    )


def test_the_details_are_the_ledger_and_the_nearest_misses_with_numbers() -> None:
    two = Constraint("resource_class_short", ("",), "PGPU", 2)
    ledger = ledger_of((DOWN, 1), (two, 2), nearest=[missed(1, two, 1), missed(2, DOWN, also=[two])])
    assert explain(ledger).details.splitlines() == [
        "3 hosts:",
        "  1 is down [host_down], 2 left",
        "  2 have too little PGPU free (2 needed) [resource_class_short], 0 left",
        "Nearest misses:",
        "  host-1: resource_class_short: needs 2 PGPU, has 1 free",
        "  host-2: host_down: is down; also: has too little PGPU free (2 needed)",
    ]
    assert "ask for fewer" in explain(ledger).message


def test_reasons_of_the_same_words_are_one_and_there_are_not_too_many() -> None:
    again = Constraint("resource_class_short", ("", "1"), "PGPU", 1)
    assert summary(ledger_of((SHORT, 1), (again, 2))).startswith(
        "1 host has too little PGPU free (1 needed); 2"
    )
    same = Constraint("resource_class_short", (), "PGPU", 1)
    assert summary(ledger_of((SHORT, 1), (same, 2))).startswith(
        "3 hosts have too little PGPU free (1 needed)."
    )
    many = [(Constraint("root_trait_missing", names=(f"CUSTOM_{n}",)), 100 - n) for n in range(20)]
    told = summary(ledger_of(*many))
    assert told.count(";") == REASONS_TOLD
    assert "; 1225 hosts for other reasons." in told


def test_what_can_be_served_needs_no_help() -> None:
    ledger = ledger_of((DOWN, 1), left=3)
    assert summary(ledger) == "3 of 4 hosts can serve this; 1 host is down."
    assert advice(ledger) == ""
    assert summary(ledger_of(left=2)) == "Every host can serve this: 2."


def test_hosts_that_were_not_looked_at_further_are_told_beside_those_that_can_serve() -> None:
    ledger = replace(ledger_of((DOWN, 1), left=5), untried=2)
    assert summary(ledger) == (
        "3 of 6 hosts can serve this; 1 host is down; 2 hosts have the amounts and were looked at no further."
    )
    assert advice(ledger) == ""
    unknown = replace(ledger_of((DOWN, 1), left=1), untried=1)
    assert summary(unknown) == (
        "1 host is down; 1 host has the amounts and was looked at no further. "
        "What would help: try again when the hosts are back."
    )
    assert summary(replace(ledger_of(left=3), untried=1)) == (
        "2 of 3 hosts can serve this; 1 host has the amounts and was looked at no further."
    )


def test_a_cloud_without_hosts_and_a_ledger_that_could_not_be_made_say_so() -> None:
    assert "no host yet" in explain(ledger_of()).message
    told = explain(UNKNOWN)
    assert told.message == "No valid host was found."
    assert "controller's log" in told.details


OF_ONE_CLASS = {*SIZES, *AMOUNTS, "resource_class_absent"}
EVERY_CODE = [*CODES, *machine.WEIGHTS, *apart.CODES.values(), apart.ON_NODES]


@pytest.mark.parametrize(
    ("code", "resource_class"),
    [
        *((code, "PGPU") for code in EVERY_CODE),
        *((code, "") for code in EVERY_CODE if code not in OF_ONE_CLASS),
    ],
)
def test_every_code_has_words_help_and_a_singular(code: str, resource_class: str) -> None:
    constraint = Constraint(code, ("", "1"), resource_class, 2, ("CUSTOM_A", "CUSTOM_B"))
    ledger = ledger_of((constraint, 1), nearest=[missed(7, constraint, 1, 1)])
    told = explain(ledger)
    assert told.message.startswith("No valid host was found. 1 host ")
    assert "What would help: " in told.message
    assert "host-7" not in told.message
    assert f"  host-7: {code}: " in told.details
    assert "  " not in told.message
    assert summary(ledger_of((constraint, 2))).startswith("2 hosts ")


def test_there_are_no_words_without_a_code() -> None:
    assert wording.WHAT.keys() == wording.HELP.keys() == set(EVERY_CODE)
    assert wording.OF_HOST.keys() <= set(EVERY_CODE)


def test_whoever_may_not_see_hosts_sees_each_kind_of_miss_once_and_no_amount_of_a_host() -> None:
    two = Constraint("not_in_one_provider", ("1",), "CUSTOM_NPU", 2)
    nearest = [missed(1, two, 1, 1), missed(2, two, 1), missed(3, DOWN, also=[two])]
    ledger = ledger_of((DOWN, 1), (two, 2), nearest=nearest)
    told = ledger_view.view(ledger, names_hosts=False)
    assert [(one["code"], [c["code"] for c in one["also"]]) for one in told["nearest_misses"]] == [
        ("not_in_one_provider", []),
        ("host_down", ["not_in_one_provider"]),
    ]
    assert "host-" not in str(told)
    assert "has'" not in str(told)
    seen = ledger_view.view(ledger, names_hosts=True)
    assert [one["host"]["name"] for one in seen["nearest_misses"]] == ["host-1", "host-2", "host-3"]
    assert seen["nearest_misses"][0]["has"] == [1, 1]
    assert {key: told[key] for key in told if key != "nearest_misses"} == {
        key: seen[key] for key in seen if key != "nearest_misses"
    }
