"""One job per server at a time, ended early when it leads to the wrong place, and never taken down by one."""

import threading
from uuid import UUID

import pytest

from hypervisor_drivers.driver import DriverError
from kcloud_common.wire import Power, ServerWant
from kcloud_compute.actions import Action, PrepareDevice, ReleaseDevice, Start, Stop, Undefine
from kcloud_compute.images import Cancelled
from kcloud_compute.workers import Job, Outcome, Workers
from tests.loglines import logged
from tests.unit.agent_world import DEVICES, absent, claim_id, want

DEADLINE = 10.0


class Deeds:
    """Does what it is told when the gate is open; remembers what it did."""

    def __init__(self) -> None:
        self.done: list[Action] = []
        self.began, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self._woken = threading.Semaphore(0)

    def __call__(self, action: Action, cancelled: Cancelled) -> None:
        self.began.set()
        assert self.gate.wait(DEADLINE)
        if self.error is not None:
            raise self.error
        self.done.append(action)

    def wake(self) -> None:
        self._woken.release()

    def outcome(self, workers: Workers) -> Outcome:
        """The next that ends."""
        (outcome,) = self.outcomes(workers, 1)
        return outcome

    def outcomes(self, workers: Workers, count: int) -> list[Outcome]:
        """The next so many that end."""
        ended: list[Outcome] = []
        while len(ended) < count:
            assert self._woken.acquire(timeout=DEADLINE)
            ended += workers.outcomes()
        return ended


def job(wanted: ServerWant, *actions: Action) -> Job:
    return Job(("server", wanted.id), actions or (Start(wanted.id), Undefine(wanted.id)), wanted)


def test_a_jobs_actions_are_done_in_order() -> None:
    deeds = Deeds()
    workers = Workers(2, deeds, deeds.wake)
    assert workers.submit(job(want()))
    outcome = deeds.outcome(workers)
    assert deeds.done == [Start(want().id), Undefine(want().id)]
    assert (outcome.failure, outcome.interrupted, outcome.last_step) == (None, False, "undefine")
    assert workers.steps() == {}
    workers.close(DEADLINE)


def test_a_server_has_one_job_at_a_time_and_others_go_on() -> None:
    deeds = Deeds()
    deeds.gate.clear()
    workers = Workers(2, deeds, deeds.wake)
    assert workers.submit(job(want(1)))
    assert not workers.submit(job(want(1)))
    assert workers.submit(job(want(2)))
    assert {key[1] for key in workers.steps()} == {want(1).id, want(2).id}
    deeds.gate.set()
    workers.close(DEADLINE)


def test_a_start_is_overdue_once_its_time_is_up_and_not_after_it() -> None:
    deeds = Deeds()
    deeds.gate.clear()
    workers = Workers(2, deeds, deeds.wake)
    assert workers.submit(job(want(1), Start(want(1).id, 0.0)))
    assert workers.submit(job(want(2), Start(want(2).id, 3600.0)))
    assert deeds.began.wait(DEADLINE)
    while want(1).id not in workers.overdue():
        assert workers.steps(), "it ended"
    assert workers.overdue() == {want(1).id: 0.0}
    deeds.gate.set()
    workers.close(DEADLINE)
    assert workers.overdue() == {}


def test_a_failure_ends_its_job_and_says_where() -> None:
    deeds = Deeds()
    deeds.error = DriverError("no")
    workers = Workers(1, deeds, deeds.wake)
    workers.submit(job(want()))
    outcome = deeds.outcome(workers)
    assert outcome.failure is not None
    assert outcome.failure.fault.code == "hypervisor_failed"
    assert outcome.last_step == "start"
    assert deeds.done == []
    deeds.error = None
    assert workers.submit(job(want()))
    assert deeds.outcome(workers).failure is None
    workers.close(DEADLINE)


def test_a_job_that_leads_elsewhere_ends_between_two_actions() -> None:
    deeds = Deeds()
    deeds.gate.clear()
    workers = Workers(1, deeds, deeds.wake)
    shutting = want(power=Power.OFF)
    workers.submit(job(shutting, Stop(shutting.id, 60.0), Start(shutting.id)))
    assert deeds.began.wait(DEADLINE)
    assert workers.supersede(shutting.model_copy(update={"console_count": 4})) is None
    assert workers.supersede(absent()) == shutting
    assert workers.supersede(absent()) is None
    deeds.gate.set()
    assert deeds.outcome(workers).interrupted
    assert deeds.done == [Stop(shutting.id, 60.0)]
    workers.close(DEADLINE)


def test_what_nobody_may_catch_ends_everything() -> None:
    deeds = Deeds()
    deeds.error = KeyboardInterrupt()
    workers = Workers(1, deeds, deeds.wake)
    workers.submit(job(want()))
    assert deeds.began.wait(DEADLINE)
    workers.close(DEADLINE)
    assert isinstance(workers.killed, KeyboardInterrupt)
    assert not workers.submit(job(want(2)))
    assert workers.outcomes() == []


def test_no_job_is_taken_on_after_the_end() -> None:
    deeds = Deeds()
    workers = Workers(1, deeds, deeds.wake)
    workers.close(DEADLINE)
    assert not workers.submit(Job(("claim", UUID(int=1)), (Start(UUID(int=1)),)))


def test_a_host_that_gives_no_more_threads_has_its_jobs_done_one_thing_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deeds = Deeds()
    workers = Workers(8, deeds, deeds.wake)
    assert workers.submit(job(want(1)))
    deeds.outcome(workers)
    deeds.gate.clear()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    numbered = enumerate(DEVICES.values())
    prepares = [PrepareDevice(want(2).id, claim_id(number), each, 1) for number, each in numbered]
    assert workers.submit(job(want(2), *prepares))
    assert workers.submit(job(want(3)))
    deeds.gate.set()
    ended = deeds.outcomes(workers, 2)
    assert [(each.job.want, each.failure) for each in ended] == [(want(2), None), (want(3), None)]
    assert deeds.done[2:4] == prepares
    assert workers.killed is None
    monkeypatch.undo()
    workers.close(DEADLINE)


def test_without_any_thread_no_job_is_taken_on_and_the_next_try_may_do_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deeds = Deeds()
    workers = Workers(1, deeds, deeds.wake)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as few:
        few.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            workers.submit(job(want()))
    assert workers.steps() == {}
    assert workers.submit(job(want()))
    assert deeds.outcome(workers).failure is None
    workers.close(DEADLINE)


def test_each_step_is_logged_with_the_request_that_waits_for_it() -> None:
    deeds = Deeds()
    workers = Workers(1, deeds, deeds.wake)
    with logged() as lines:
        workers.submit(job(want(request_id="req-1")))
        deeds.outcome(workers)
        deeds.error = DriverError("no")
        workers.submit(job(want(request_id="req-2")))
        deeds.outcome(workers)
    told = [(line["request_id"], line["event"], line.get("step")) for line in lines]
    assert told == [
        ("req-1", "work_begun", None),
        ("req-1", "step_done", "start"),
        ("req-1", "step_done", "undefine"),
        ("req-2", "work_begun", None),
        ("req-2", "step_failed", "start"),
    ]
    workers.close(DEADLINE)


def test_a_step_on_a_device_that_does_not_end_is_named_with_its_device() -> None:
    deeds = Deeds()
    deeds.gate.clear()
    workers = Workers(2, deeds, deeds.wake)
    release = ReleaseDevice(want().id, UUID(int=1), "gpu-1")
    assert workers.submit(job(want(), release))
    assert deeds.began.wait(DEADLINE)
    assert workers.hanging() == {}
    ((device, (step, began)),) = workers.hanging(patience=-1.0).items()
    assert (device, step) == ("gpu-1", "release")
    assert began > 0
    deeds.gate.set()
    deeds.outcome(workers)
    assert workers.hanging(patience=-1.0) == {}
    workers.close(DEADLINE)
