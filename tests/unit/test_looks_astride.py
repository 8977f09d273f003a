"""A look at the host takes a while, in which workers go on: nothing is concluded from its two halves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from hypervisor_drivers.fake import FakeDriver
from kcloud_compute.claims import orphans
from kcloud_compute.durable import no_checkpoint
from kcloud_compute.images import ImageCache
from kcloud_compute.observe import Senses, observe
from kcloud_compute.paths import StatePaths
from tests.unit.care_world import place
from tests.unit.cleaning_world import DEVICE
from vfio.journal import ClaimRecord, Journal


class Late(Journal):
    """Is read just after something has happened."""

    def __init__(self, folder: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(folder)
        self._meanwhile = meanwhile

    def all(self) -> tuple[Mapping[UUID, ClaimRecord], Mapping[UUID, str]]:
        self._meanwhile()
        return super().all()


def test_the_claim_of_a_burn_in_that_begins_meanwhile_is_nobody_s_forgotten_lease(tmp_path: Path) -> None:
    agent = place(tmp_path).agent()
    parts, paths, found = agent.host, StatePaths(agent.state), agent.slice()
    paths.make()

    def burn_in() -> None:
        parts.ledger.burn_in(DEVICE, 1)
        parts.slicer.prepare(UUID(int=0xB0), found)

    journal = Late(agent.state / "journal", burn_in)
    images = ImageCache(paths, lambda *_: None, lambda _: b"", no_checkpoint)  # type: ignore[arg-type]
    senses = Senses(FakeDriver(), parts.sysfs, journal, parts.ledger, images, paths)
    assert orphans({}, observe(senses, agent.inventory(), {})) == ()
