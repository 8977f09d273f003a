"""Name filters are tenants' regular expressions: useful ones pass, and none can stop the control plane."""

import re
import time

import pytest

from kcloud_api.compute.name_pattern import checked_pattern
from kcloud_common.errors import BadRequest

NAMES = ("web-1", "web-12", "db-1", "tempest-instance-7", "a.b", "web-1-db", "x*", "")


@pytest.mark.parametrize(
    "pattern",
    [
        "^web", "^web-[0-9]+$", "1$", "web|db", "^(web|db)", ".*instance.*", r"^.*\-instance\-[0-9]+$",
        r"^.+\-[0-9]+$", r"a\.b", r"a\.*", "^.*$", ".*", "^w?eb-1{1,2}$", "[*+?{|]", "^[^]a]", "web-.", "^",
        r"x\*", "(web)-(1)",
        r"a\.*$", "^.*?1", "^.*|x", ".*.*", "^.*.*$", "x|.*$",
    ],
)  # fmt: skip
def test_a_usual_pattern_matches_what_it_matched_before(pattern: str) -> None:
    kept = checked_pattern(pattern)
    assert [bool(re.search(kept, name)) for name in NAMES] == [
        bool(re.search(pattern, name)) for name in NAMES
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a|a)*$", "^(a+)+$", "^(a?){60}a{60}$", "a*a*a*b", "(a|a)(a|a)(a|a)b", r"^(a*)\1\1$", "^(?:a|b)*$",
        "^a?a?a?a?a?aaaaa$", "^(?=a*)a*b", "^[]a]*[]a]*[]a]*$", ".*.*.*.*b", "a{1,255}a{1,255}a{1,255}b",
    ],
)  # fmt: skip
def test_a_pattern_that_could_take_long_is_refused(pattern: str) -> None:
    with pytest.raises(BadRequest, match="too long"):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a{9999999999999}", "\\"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadRequest):
        checked_pattern(pattern)


@pytest.mark.parametrize("pattern", ["^a*a*b", "a*b", ".*a*b.*", "^[a]*a{1,255}b"])
def test_the_worst_that_passes_is_quick_on_the_longest_name(pattern: str) -> None:
    kept = checked_pattern(pattern)
    started = time.process_time()
    assert re.search(kept, "a" * 255) is None
    assert time.process_time() - started < 0.5
