"""What a device that is to be cleaned is taken for."""

from pathlib import Path

from kcloud_compute.cared_host import Tools
from kcloud_compute.cleaning_jobs import CleaningJobs
from kcloud_compute.durable import no_checkpoint
from tests.unit.care_world import Agent, place
from tests.unit.cleaning_world import CLAIM, DEVICE


def taken_for_rebooted(agent: Agent) -> bool:
    record = agent.host.ledger.of(DEVICE)
    return CleaningJobs(agent.host, Tools(), no_checkpoint).make(record, CLAIM).subject.rebooted


def test_a_host_that_does_not_tell_its_boot_has_reset_nothing_by_a_restart(tmp_path: Path) -> None:
    here = place(tmp_path)
    agent = here.agent()
    agent.lease()
    agent.host.ledger.release(DEVICE, agent.host.boot())
    assert not taken_for_rebooted(agent)
    here.kernel.reboot()
    assert taken_for_rebooted(here.agent())
    (here.kernel.sysfs().root / "proc/sys/kernel/random/boot_id").unlink()
    assert not taken_for_rebooted(here.agent())
