"""`kcloud-controller` as a process: the loops without an API."""

from pathlib import Path

import pytest

from tests.e2e.processes import Process


@pytest.mark.slow
def test_it_says_ready_and_ends_on_a_signal(tmp_path: Path) -> None:
    words = ["kcloud-controller", "--database", f"sqlite:///{tmp_path}/kcloud.db"]
    controller = Process(words, tmp_path / "log")
    assert controller.start() == "ready kcloud-controller"
    assert controller.stop() == 0


def test_a_setting_that_makes_no_sense_ends_it_with_2(tmp_path: Path) -> None:
    controller = Process(["kcloud-controller", "--set", "bus.ulr=x"], tmp_path / "log")
    controller.launch()
    assert controller.wait() == 2
    assert "ulr" in controller.log.read_text()
