"""How hard properties are tried: fully by `make test`, with an eighth of the examples in between."""

import os

THOROUGH = "KCLOUD_TEST_THOROUGH"


def examples(full: int) -> int:
    """hypothesis's `max_examples` for this run."""
    return full if os.environ.get(THOROUGH) else max(5, full // 8)
