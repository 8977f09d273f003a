"""Whatever happens to a device, in whatever order: it is given to nobody who could find another's traces.

No HTTP: the use cases on a real database. The model knows the truth about each device, the control plane only
what a host says of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from sqlmodel import Session

from kcloud_api.accelerator import operating
from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.inventory import provider_id
from kcloud_common.certificate import NO_CERTIFICATE, Certificate
from kcloud_common.errors import Conflict, NotFound, OutOfCapacity
from kcloud_common.signing import fingerprint, public_key, sign, unsigned
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.conftest import opened
from tests.thoroughness import examples

HISTORIES = 1000
STEPS = 14
SLICES = 3
SEED = b"k" * 32


@dataclass
class Truth:
    """One device as it really is."""

    name: str
    state: DeviceState = DeviceState.FREE
    dirty: bool = False
    """A tenant's traces may be on it."""
    seen: int = 0
    """The newest lease that the host has heard of."""
    held: tuple[UUID, UUID, int] | None = None
    """The claim on it, its server, and the number of the lease."""
    begun: bool = False
    chain: Certificate | None = None
    told: Certificate | None = None
    """The certificate that the next report carries."""
    maintenance: bool = False
    quarantined: bool = False
    """By an operator."""
    done: int = 0


@dataclass
class World:
    """A host with a card in slices, as it is and as it is driven."""

    session: Session
    random: Random
    host: UUID = field(default_factory=uuid4)
    truths: list[Truth] = field(default_factory=lambda: [Truth(f"slice_{n}") for n in range(SLICES)])
    given: int = 0

    def report(self) -> None:
        devices = []
        for truth in self.truths:
            devices.append(
                DeviceReport(
                    name=truth.name, card="card", addresses=(), vendor_id="10de", product_id="26b9",
                    resource_class="VGPU", state=truth.state, generation=truth.seen,
                    claim_id=truth.held[0] if truth.held and truth.begun else None,
                    certificate=truth.told, release_count=truth.done,
                )
            )  # fmt: skip
        # A host may also leave one out for a while.
        kept = [device for device in devices if self.random.random() > 0.1]
        accelerator.sync_devices(self.session, self.host, kept, key=public_key(SEED))

    def place(self) -> None:
        server = uuid4()
        try:
            with self.session.begin_nested():
                want = {provider_id(self.host, "card"): {"VGPU": 1}}
                claims = accelerator.claim(self.session, server, want)
        except OutOfCapacity:
            return
        if not claims:  # reports left out every slice: placement has no such provider either
            assert accelerator.devices(self.session, host_id=self.host) == ()
            return
        (claim,) = claims
        truth = next(truth for truth in self.truths if truth.name == claim.device)
        assert truth.held is None, "it is held"
        assert not truth.dirty, "it is not clean"
        assert truth.state is DeviceState.FREE, truth.state
        assert not truth.maintenance, "an operator wants it in maintenance"
        assert not truth.quarantined, "an operator has quarantined it"
        assert claim.generation > truth.seen, "its host would refuse it"
        truth.held, truth.begun = (claim.id, server, claim.generation), False
        self.given += 1

    def begin(self, truth: Truth) -> None:
        if truth.held and truth.state is DeviceState.FREE and not truth.begun:
            truth.state, truth.begun, truth.dirty, truth.seen = (
                DeviceState.CLAIMED, True, True, truth.held[2]
            )  # fmt: skip

    def end(self, truth: Truth) -> None:
        """The host says that the server is gone, and in which state that left the device."""
        if truth.held is None:
            return
        claim_id, server, generation = truth.held
        if truth.begun:
            self.clean(truth, claim_id, generation)
        truth.held = None
        accelerator.release(self.session, server)
        self.report()

    def clean(self, truth: Truth, claim_id: UUID | None, generation: int) -> None:
        outcome = self.random.choice(["clean", "clean", "fails", "is slow", "loses the certificate"])
        truth.state = {"fails": DeviceState.QUARANTINED, "is slow": DeviceState.SANITISING}.get(
            outcome, DeviceState.FREE
        )
        if outcome != "clean":
            return
        truth.dirty = False
        truth.chain = truth.told = certificate(self.host, truth, claim_id, generation)

    def repeat(self, truth: Truth) -> None:
        """An old certificate comes once more, or a false one."""
        truth.told = truth.chain
        if self.random.random() < 0.5:
            truth.told = sign(certificate(self.host, truth, None, truth.seen), b"x" * 32)
        self.report()

    def operate(self, truth: Truth) -> None:
        device = provider_id(self.host, truth.name)
        verb = self.random.choice(["maintenance", "use", "quarantine", "release", "release"])
        try:
            with self.session.begin_nested():
                if verb == "quarantine":
                    operating.quarantine(self.session, device, "smoke")
                elif verb == "release":
                    operating.release(self.session, device)
                else:
                    operating.set_maintenance(self.session, device, verb == "maintenance")
        except (Conflict, NotFound):
            return
        if verb == "release":
            truth.quarantined = False
            self.burn_in(truth)
        elif verb == "quarantine":
            truth.quarantined = True
        else:
            truth.maintenance = verb == "maintenance"

    def burn_in(self, truth: Truth) -> None:
        truth.done += 1
        self.clean(truth, None, truth.seen)
        self.report()

    def step(self) -> None:
        truth = self.random.choice(self.truths)
        deeds: list[Callable[[], None]] = [
            self.place, self.place, self.report,
            *(partial(deed, truth) for deed in (self.begin, self.begin, self.end, self.end)),
            partial(self.repeat, truth), partial(self.operate, truth),
        ]  # fmt: skip
        self.random.choice(deeds)()


def certificate(host: UUID, truth: Truth, claim_id: UUID | None, generation: int) -> Certificate:
    last = truth.chain
    facts: dict[str, object] = {
        "device": truth.name, "host_id": host, "vendor_id": "10de", "product_id": "26b9",
        "sequence": last.sequence + 1 if last else 1, "generation": generation, "claim_id": claim_id,
        "occasion": "lease" if claim_id else "burn-in", "grade": "C", "steps": (),
        "issued_at": "2026-11-20T00:00:00Z", "previous": fingerprint(last) if last else NO_CERTIFICATE,
    }  # fmt: skip
    return sign(unsigned(facts), SEED)


def test_in_no_history_is_a_device_given_away_unclean(tmp_path: Path) -> None:
    given = 0
    for database in opened(f"sqlite:///{tmp_path}/kcloud.db"):
        for seed in range(examples(HISTORIES)):
            with database.transaction() as session:
                world = World(session, Random(seed))
                world.report()
                for _ in range(STEPS):
                    world.step()
                given += world.given
    assert given > examples(HISTORIES), "devices are given again and again"
