"""Upstream's tests as pytest's: each one an item, those that cannot pass yet with their reason."""

import pytest

from tests.upstream.gabbits import gabbits, names
from tests.upstream.known_allocations import KNOWN as KNOWN_ALLOCATIONS
from tests.upstream.known_candidates import KNOWN as KNOWN_CANDIDATES
from tests.upstream.known_rest import KNOWN as KNOWN_REST

KNOWN = {**KNOWN_REST, **KNOWN_ALLOCATIONS, **KNOWN_CANDIDATES}

EVERY = [f"{file}::{name}" for file in gabbits() for name in names(file)]

by_file_and_name = pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param(
            *test.split("::", 1),
            id=test,
            marks=[pytest.mark.xfail(reason=KNOWN[test], strict=True)] if test in KNOWN else [],
        )
        for test in EVERY
    ],
)
"""Gives a test function each of upstream's tests in their order, by the arguments `file` and `name`."""
