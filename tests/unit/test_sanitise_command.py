"""Commands of the operator's that clear a device's memory."""

import sys
from pathlib import Path

import pytest

from kcloud_compute.scrub_command import ScrubCommand, ScrubFailed, parse
from tests.unit.cleaning_world import AUDIO, GPU, world
from vfio.sanitise.pipeline import Unclean, sanitise

TOOL = "vendor:wipe"
ECHO = "import sys; print(sys.argv[1:])"
FORKS = "import os, signal; os.fork(); signal.pause()"


def python(program: str, *words: str, deadline: float = 60) -> ScrubCommand:
    return ScrubCommand((sys.executable, "-c", program, *words), deadline)


def test_addresses_come_last_in_one_run_or_one_by_one_where_the_command_has_a_place_for_them() -> None:
    assert python(ECHO)((GPU, AUDIO)) == f"['{GPU}', '{AUDIO}']"
    assert python(ECHO, "--at={address}", "x")((GPU, AUDIO)) == f"['--at={GPU}', 'x']; ['--at={AUDIO}', 'x']"


def test_no_shell_ever_sees_the_words(tmp_path: Path) -> None:
    said = python(ECHO, f"; touch {tmp_path}/x", "$(id)")((GPU,))
    assert "$(id)" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (python("raise SystemExit('memory is stuck')"), "ended with 1: memory is stuck"),
        (python("import signal; signal.pause()", deadline=0.2), "not done after 0.2 s"),
        (python(FORKS, deadline=1), "not done after 1 s"),
        (ScrubCommand(("/no/such/tool",), 60), "can't be run"),
    ],
)
def test_a_command_that_fails_ends_in_quarantine(tmp_path: Path, command: ScrubCommand, why: str) -> None:
    place = world(tmp_path)
    with pytest.raises(ScrubFailed, match=why):
        command((GPU,))
    with pytest.raises(Unclean, match=why):
        sanitise(place.host.sysfs(), place.subject(scrub=TOOL), place.means(scrubs={TOOL: command}))


def test_a_command_that_says_nothing_leaves_its_exit_status_as_evidence() -> None:
    assert python("pass")((GPU,)) == f"{sys.executable} ended with 0"


def test_options_name_the_method_and_the_whole_path() -> None:
    name, command = parse("vendor:wipe = /usr/sbin/wipe --device {address} 'two words'", 30)
    assert name == TOOL
    assert command == ScrubCommand(("/usr/sbin/wipe", "--device", "{address}", "two words"), 30)


@pytest.mark.parametrize(
    "line", ["", "vendor:wipe", "vendor:wipe=", "=/bin/true", "vendor:wipe=wipe", "a=/x '"]
)
def test_options_that_make_no_sense_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(line, 30)
