"""What is generated into the tree is what would be generated now (`pytest --regenerate` rewrites it)."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kcloud_api.conf.groups import GROUPS
from kcloud_common.config import sample
from kcloud_compute.conf import GROUPS as AGENT_GROUPS

ROOT = Path(__file__).parents[2]
SAMPLES = {"etc/kcloud/kcloud.conf.sample": GROUPS, "etc/kcloud/compute.conf.sample": AGENT_GROUPS}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_option_sample_is_current(name: str, request: pytest.FixtureRequest) -> None:
    groups: Mapping[str, type] = SAMPLES[name]
    if request.config.getoption("--regenerate"):
        (ROOT / name).write_text(sample(groups))
    assert (ROOT / name).read_text() == sample(groups)
