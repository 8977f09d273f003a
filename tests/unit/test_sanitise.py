"""The pipeline between two tenants: which steps, what they do to a host, and what a failure leaves."""

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kcloud_common.certificate import Grade
from tests.unit.cleaning_world import AUDIO, GPU, World, world
from vfio.errors import DriverMissing
from vfio.health import Weight
from vfio.sanitise.pipeline import MOST_ROUNDS, NotYet, Unclean, burn_in, sanitise
from vfio.sanitise.steps import Done, Outcome, Planned, Step, grade, plan
from vfio.sanitise.subject import Subject
from vfio.testing import Harm

TOOL = "vendor:wipe"
WHOLE = Subject("pci_0000_41_00_0", "whole")


@pytest.fixture
def gpu(tmp_path: Path) -> World:
    return world(tmp_path)


@pytest.fixture
def card(tmp_path: Path) -> World:
    return world(tmp_path, "two functions")


def words(planned: Sequence[Planned | Done]) -> list[str]:
    return [f"{step.step} {step.method}".strip() for step in planned]


# --- which steps -------------------------------------------------------------------------------------


def test_a_model_that_nothing_scrubs_says_so_instead_of_leaving_the_steps_out() -> None:
    planned = plan(WHOLE, {TOOL}, {TOOL})
    assert words(planned) == ["fence", "stop", "restore", "reset", "verify", "scrub", "read-back"]
    assert [bool(step.why_none) for step in planned] == [False] * 5 + [True] * 2


def test_a_scrubbed_device_is_verified_again_after_the_tool() -> None:
    planned = plan(replace(WHOLE, scrub=TOOL), {TOOL}, {TOOL})
    assert words(planned)[5:] == [f"scrub {TOOL}", f"read-back {TOOL}", "verify"]


def test_a_tool_that_this_host_lacks_is_named() -> None:
    scrub = plan(replace(WHOLE, scrub=TOOL), (), ())[5]
    assert (scrub.method, scrub.why_none) == ("", f"{TOOL} is not set up on this host")
    read_back = plan(replace(WHOLE, scrub=TOOL), {TOOL}, ())[6]
    assert read_back.why_none == f"{TOOL} has none on this host"


@pytest.mark.parametrize("kind", ["mdev", "vendor-vf"])
def test_what_the_vendors_driver_makes_is_made_anew(kind: str) -> None:
    planned = plan(Subject("mdev_1", kind, scrub=TOOL), {TOOL}, {TOOL})
    assert words(planned) == ["fence", "stop", "restore", "scrub recreate", "verify"]


@pytest.mark.parametrize("kind", ["whole", "vf", "xe-vf"])
def test_functions_of_their_own_are_reset(kind: str) -> None:
    assert Step.RESET in [step.step for step in plan(Subject("x", kind), (), ())]


def test_a_burn_in_resets_and_verifies_each_round() -> None:
    planned = plan(WHOLE, (), (), rounds=3)
    assert words(planned)[3:9] == ["reset", "verify"] * 3
    assert len(plan(WHOLE, (), (), rounds=MOST_ROUNDS)) <= 64


# --- grades ------------------------------------------------------------------------------------------


def done(*steps: str) -> list[Done]:
    found = [Done(Step(name), "m", Outcome.DONE, 1) for name in steps]
    return [*found, Done(Step.RESTORE, "", Outcome.NONE, 1)]


@pytest.mark.parametrize(
    ("steps", "letter"),
    [
        (("fence", "stop", "reset", "verify", "scrub", "read-back"), "A"),
        (("fence", "stop", "reset", "verify", "scrub"), "B"),
        (("fence", "stop", "reset", "verify"), "C"),
        (("fence", "stop", "reset"), None),
        (("fence", "stop", "verify"), None),
        (("stop", "reset", "verify"), None),
        (("fence", "reset", "verify"), None),
        ((), None),
    ],
)
def test_the_grade_is_what_was_really_done(steps: tuple[str, ...], letter: str | None) -> None:
    assert grade(done(*steps)) == letter
    assert letter is None or Grade(letter)


def test_a_slice_made_anew_is_of_grade_b_and_a_failed_step_has_none() -> None:
    anew = [*done("fence", "stop", "verify"), Done(Step.SCRUB, "recreate", Outcome.DONE, 1)]
    assert grade(anew) == "B"
    assert grade([*done("fence", "stop", "reset", "verify"), Done(Step.SCRUB, "", Outcome.FAILED, 1)]) is None


# --- on a host ---------------------------------------------------------------------------------------


def test_a_healthy_gpu_is_reset_by_the_kernels_first_method_and_nothing_else_of_the_host_changes(
    gpu: World,
) -> None:
    before = gpu.host.picture()
    cleaned = sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    assert cleaned.grade == "C"
    assert words(cleaned.steps) == ["fence", "stop", "restore", "reset flr", "verify", "scrub", "read-back"]
    assert [step.outcome for step in cleaned.steps][2:] == ["none", "done", "done", "none", "none"]
    assert cleaned.steps[2].evidence == "nothing had to be put back"
    assert "answers" in cleaned.steps[4].evidence
    assert "link 16 GT/s x16" in cleaned.steps[4].evidence
    assert all(step.milliseconds == 250 for step in cleaned.steps)
    assert gpu.calls == ["fenced", "stopped"]
    assert gpu.host.resets() == ((GPU, "flr"),)
    assert gpu.host.picture() == before
    assert gpu.slate == {}


def test_the_gpu_is_kept_out_of_d3cold_while_it_is_reset(gpu: World) -> None:
    gpu.host.put(f"sys/bus/pci/devices/{GPU}/power/control", "auto\n")
    sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    writes = [(path.rpartition(f"{GPU}/")[2], text) for path, text in gpu.host.writes]
    assert writes == [
        ("d3cold_allowed", "0"),
        ("power/control", "on"),
        ("reset_method", "flr"),
        ("reset", "1"),
        ("reset_method", "flr bus"),
        ("power/control", "auto"),
        ("d3cold_allowed", "1"),
    ]


def test_a_scrub_and_its_read_back_make_grade_a(gpu: World) -> None:
    def wipe(addresses: Sequence[str]) -> str:
        return f"wiped {' '.join(addresses)}"

    def look(addresses: Sequence[str]) -> str:
        return "4096 samples were zero"

    subject = gpu.subject(scrub=TOOL)
    assert sanitise(gpu.host.sysfs(), subject, gpu.means(scrubs={TOOL: wipe})).grade == "B"
    cleaned = sanitise(gpu.host.sysfs(), subject, gpu.means(scrubs={TOOL: wipe}, read_backs={TOOL: look}))
    assert cleaned.grade == "A"
    assert cleaned.steps[5].evidence == f"wiped {GPU}"
    assert cleaned.steps[6].evidence == "4096 samples were zero"


def test_a_companion_without_a_reset_of_its_own_is_told_and_tolerated(card: World) -> None:
    for name in ("reset", "reset_method"):
        (card.host.sysfs().root / f"sys/bus/pci/devices/{AUDIO}/{name}").unlink()
    cleaned = sanitise(card.host.sysfs(), card.subject(), card.means())
    assert cleaned.grade == "C"
    assert f"{AUDIO} by nothing" in cleaned.steps[3].evidence


# --- what goes wrong ---------------------------------------------------------------------------------


def unclean(place: World, **facts: object) -> Unclean:
    """The failure, which must have left no setting changed on the host."""
    with pytest.raises(Unclean) as raised:
        sanitise(place.host.sysfs(), place.subject(), place.means(**facts))
    assert raised.value.steps[-1].outcome is Outcome.FAILED
    return raised.value


@pytest.mark.parametrize(
    ("harm", "evidence"),
    [
        (Harm(dead=True), "reads all ones"),
        (Harm(gone=True), "no longer there"),
        (Harm(errors={"fatal": 1}), "1 new fatal errors"),
        (Harm(errors={"nonfatal": 2}), "2 new nonfatal errors"),
        (Harm(link=(16.0, 8)), "8 lanes of 16"),
    ],
)
def test_a_reset_that_harms_is_found_by_what_the_device_shows(gpu: World, harm: Harm, evidence: str) -> None:
    gpu.host.harm_reset(GPU, harm)
    error = unclean(gpu)
    assert evidence in str(error)
    assert error.steps[-1].step is Step.VERIFY
    assert words(error.steps)[-2] == "reset flr"
    assert "done before: fence, stop, reset flr" in error.evidence
    assert gpu.slate == {}


def test_a_card_that_idles_after_its_reset_is_clean_and_its_slower_link_a_sign(gpu: World) -> None:
    gpu.host.harm_reset(GPU, Harm(link=(2.5, 16)))
    cleaned = sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    assert [finding.weight for finding in cleaned.findings] == [Weight.SIGN]
    assert "fell from 16 GT/s x16 to 2.5 GT/s x16" in cleaned.steps[4].evidence


def test_corrected_errors_are_kept_as_evidence_and_no_more(gpu: World) -> None:
    gpu.host.harm_reset(GPU, Harm(errors={"correctable": 3}))
    cleaned = sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    assert [finding.weight for finding in cleaned.findings] == [Weight.SIGN]
    assert "3 new correctable errors" in cleaned.steps[4].evidence


def test_a_reset_that_the_kernel_refuses_puts_the_settings_back(gpu: World) -> None:
    before = gpu.host.picture()
    gpu.host.fail(f"*/{GPU}/reset", errno.EIO)
    error = unclean(gpu)
    assert "errno 5" in str(error)
    assert gpu.host.picture() == before


def test_settings_that_could_not_be_put_back_stay_noted_and_come_back_with_the_next_run(gpu: World) -> None:
    before = gpu.host.picture()
    gpu.host.fail(f"*/{GPU}/reset", errno.EIO)
    unclean(gpu)
    gpu.slate.write({f"sys/bus/pci/devices/{GPU}/d3cold_allowed": "1"})
    gpu.host.put(f"sys/bus/pci/devices/{GPU}/d3cold_allowed", "0\n")
    gpu.host.relent()
    cleaned = sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    assert cleaned.steps[2].outcome is Outcome.DONE
    assert "d3cold_allowed" in cleaned.steps[2].evidence
    assert gpu.host.picture() == before


def test_a_device_that_came_dead_is_clean_when_the_reset_revives_it(gpu: World) -> None:
    subject = gpu.subject()
    config = gpu.host.sysfs().root / f"sys/bus/pci/devices/{GPU}/config"
    alive = config.read_bytes()
    gpu.host.die(GPU)
    with pytest.raises(Unclean, match="all ones"):
        sanitise(gpu.host.sysfs(), subject, gpu.means())
    config.write_bytes(alive)
    assert sanitise(gpu.host.sysfs(), subject, gpu.means()).grade == "C"


def test_another_card_in_the_same_seat_is_not_the_one_that_was_to_be_cleaned(gpu: World) -> None:
    subject = gpu.subject()
    stranger = replace(subject.functions[0], product=0x2330)
    with pytest.raises(Unclean, match="was 10de:2330 and is 10de:20b5"):
        sanitise(gpu.host.sysfs(), replace(subject, functions=(stranger,)), gpu.means())


def test_bars_that_shrank_are_found(gpu: World) -> None:
    subject = gpu.subject()
    small = replace(subject.functions[0], bars=subject.functions[0].bars[:1])
    with pytest.raises(Unclean, match="BARs"):
        sanitise(gpu.host.sysfs(), replace(subject, functions=(small,)), gpu.means())


def test_what_still_uses_the_device_is_no_failure_of_it(gpu: World) -> None:
    def running() -> str:
        raise NotYet("its domain is there")

    with pytest.raises(NotYet, match="its domain"):
        sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means(stop=running))
    held = gpu.hold_open("/dev/vfio/41")
    with pytest.raises(NotYet, match="/dev/vfio/41 by process 4711"):
        sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    assert gpu.host.resets() == ()
    held.unlink()
    assert sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means()).grade == "C"


def test_a_handle_of_iommufd_is_one_too(gpu: World) -> None:
    (gpu.host.sysfs().root / f"sys/bus/pci/devices/{GPU}/vfio-dev/vfio3").mkdir(parents=True)
    gpu.hold_open("/dev/vfio/devices/vfio3")
    with pytest.raises(NotYet, match="vfio3 by process"):
        sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())


@pytest.mark.parametrize("kind", [RuntimeError, OSError, KeyError, DriverMissing, ValueError])
@pytest.mark.parametrize("step", ["fence", "restore", "scrub", "read-back"])
def test_whatever_a_means_raises_ends_in_evidence(gpu: World, step: str, kind: type[Exception]) -> None:
    def broken(*_: object) -> str:
        raise kind("the tool said no")

    def works(*_: object) -> str:
        return "worked"

    tools = {"scrub": {"scrubs": {TOOL: broken}}, "read-back": {"scrubs": {TOOL: works}}}
    facts: dict[str, object] = {**tools.get(step, {}), "read_backs": {TOOL: broken}}
    if step in ("fence", "restore"):
        facts = {step: broken}
    with pytest.raises(Unclean, match="the tool said no") as raised:
        sanitise(gpu.host.sysfs(), gpu.subject(scrub=TOOL), gpu.means(**facts))
    assert raised.value.steps[-1].step == step
    assert "the tool said no" in raised.value.steps[-1].evidence


def test_the_kernels_log_is_read_where_the_agent_brings_it(gpu: World) -> None:
    log = ["", f"NVRM: Xid (PCI:{GPU[:-2]}): 79, pid=1, GPU has fallen off the bus."]
    with pytest.raises(Unclean, match="XID 79"):
        sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means(kernel_log=lambda: log.pop(0)))


def test_the_card_behind_a_virtual_function_counts_too(gpu: World) -> None:
    port = "0000:00:01.0"
    errors = f"sys/bus/pci/devices/{port}/aer_dev_fatal"
    gpu.host.put(errors, "DLP 0\nTOTAL_ERR_FATAL 0\n")
    subject = gpu.subject(scrub=TOOL, watched=(port,))

    def scrub(_: Sequence[str]) -> str:
        gpu.host.put(errors, "DLP 1\nTOTAL_ERR_FATAL 1\n")
        return "done"

    with pytest.raises(Unclean, match=f"{port}: 1 new fatal"):
        sanitise(gpu.host.sysfs(), subject, gpu.means(scrubs={TOOL: scrub}))


# --- burn-in -----------------------------------------------------------------------------------------


def test_a_burn_in_does_several_rounds_and_a_harm_in_any_of_them_fails_it(gpu: World) -> None:
    assert burn_in(gpu.host.sysfs(), gpu.subject(), gpu.means(), 4).grade == "C"
    assert len(gpu.host.resets()) == 4
    gpu.host.harm_reset(GPU, Harm(errors={"nonfatal": 1}))
    with pytest.raises(Unclean, match="nonfatal"):
        burn_in(gpu.host.sysfs(), gpu.subject(), gpu.means(), 4)


@pytest.mark.parametrize("rounds", [0, MOST_ROUNDS + 1])
def test_a_burn_in_has_at_least_one_round_and_fits_a_certificate(gpu: World, rounds: int) -> None:
    with pytest.raises(ValueError, match="rounds"):
        burn_in(gpu.host.sysfs(), gpu.subject(), gpu.means(), rounds)
