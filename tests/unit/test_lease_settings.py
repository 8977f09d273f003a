"""Settings that may be changed under a lease: noted when it begins, as they were when it has ended."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kcloud_common.certificate import CertificateStep
from kcloud_compute.cared_host import Tools
from kcloud_compute.lease_settings import settle
from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import CLAIM, DEVICE, GPU
from vfio.catalogue import builtin
from vfio.lifecycle import State
from vfio.sanitise.modes import Mode, NoModes
from vfio.sanitise.nvml_modes import ECC, MIG, POWER, NvmlModes
from vfio.sanitise.pipeline import NotYet
from vfio.sim.trees import build
from vfio.slices.cards import cards
from vfio.slices.model import Cut, Kind, Plan, Sharing
from vfio.testing import npu_host

AS_BOUGHT = {MIG: Mode(0, 0), ECC: Mode(1, 1), POWER: Mode(300_000, 300_000)}


@dataclass
class Card:
    """A card's modes as its own driver tells them. A reset puts into effect what waits for one."""

    modes: dict[str, Mode] = field(default_factory=lambda: dict(AS_BOUGHT))
    refuses: str = ""
    deaf: bool = False
    gone: bool = False

    def read(self, address: str) -> Mapping[str, Mode]:
        assert address == GPU
        if self.gone:
            raise OSError("the library is not there any more")
        return dict(self.modes)

    def set(self, address: str, name: str, value: int) -> None:
        if self.refuses:
            raise OSError(self.refuses)
        if not self.deaf:
            at_once = name == POWER
            self.modes[name] = Mode(value if at_once else self.modes[name].now, value)

    def reset(self) -> None:
        self.modes = {name: Mode(mode.next, mode.next) for name, mode in self.modes.items()}


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def host(tmp_path: Path, card: Card) -> Place:
    found = place(tmp_path)
    found.tools = Tools(modes=card)
    return found


def modes_step(host: Place) -> CertificateStep:
    certificate = host.record().certificate
    assert certificate is not None
    return next(step for step in certificate.steps if step.method == "modes")


# --- modes of NVIDIA's cards ---------------------------------------------------------------------------


def test_modes_that_nobody_touched_are_told_as_they_are(host: Place) -> None:
    host.agent().lease()
    assert host.record().lease.modes == {GPU: {MIG: 0, ECC: 1, POWER: 300_000}}
    assert host.agent().end().state is State.FREE
    step = modes_step(host)
    assert (step.name, step.outcome) == ("restore", "done")
    assert "MIG mode 0, ECC mode 1, power limit in mW 300000 as when its lease began" in step.evidence
    assert host.record().lease.modes == {}


def test_a_power_limit_comes_back_at_once(host: Place, card: Card) -> None:
    host.agent().lease()
    card.modes[POWER] = Mode(100_000, 100_000)
    assert host.agent().end().state is State.FREE
    assert card.modes == AS_BOUGHT
    assert "power limit in mW was 100000 and is 300000 again" in modes_step(host).evidence


def test_a_mode_that_takes_a_reset_gets_one_and_the_certificate_tells_it(host: Place, card: Card) -> None:
    host.agent().lease()
    card.modes[MIG] = Mode(1, 1)
    with pytest.raises(NotYet, match="takes effect with a reset"):
        host.agent().end()
    assert host.record().state is State.SANITISING
    card.reset()
    assert host.agent().end().state is State.FREE
    assert card.modes == AS_BOUGHT
    assert "MIG mode was 1 and is 0 again" in modes_step(host).evidence
    assert len(host.kernel.resets()) == 2


def test_a_reset_that_does_not_put_it_into_effect_ends_in_quarantine(host: Place, card: Card) -> None:
    host.agent().lease()
    card.modes[ECC] = Mode(0, 0)
    with pytest.raises(NotYet):
        host.agent().end()
    record = host.agent().end()
    assert record.state is State.QUARANTINED
    assert "ECC mode of before the lease takes effect with a reset, and none has done it" in record.reason
    card.reset()
    assert host.agent().burn_in(1).state is State.FREE
    assert "ECC mode was 0 and is 1 again" in modes_step(host).evidence


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ({"refuses": "no permission"}, "no permission"),
        ({"deaf": True}, "could not be set back"),
        ({"gone": True}, "not there"),
    ],
)
def test_what_cannot_be_brought_back_is_quarantined_with_the_reason(
    host: Place, card: Card, harm: dict[str, object], why: str
) -> None:
    host.agent().lease()
    card.modes[MIG] = Mode(1, 1)
    for name, value in harm.items():
        setattr(card, name, value)
    record = host.agent().end()
    assert record.state is State.QUARANTINED
    assert why in record.reason
    assert host.kernel.driver_of(GPU) == "nouveau", "an operator's tools need its driver"


def test_what_was_noted_is_held_against_a_card_that_is_not_seen_for_what_it_was(
    host: Place, card: Card
) -> None:
    agent = host.agent()
    agent.lease()
    lost = replace(agent.slice(), addresses=("0000:99:00.0",))
    card.gone = True
    with pytest.raises(OSError, match="not there any more"):
        settle(agent.host.sysfs, lost, host.record().lease, card, lambda _: None)


def test_without_the_library_the_certificate_says_that_nobody_looked(host: Place) -> None:
    host.tools = Tools(modes=NoModes("libnvidia-ml.so.1 is not on this host"))
    host.agent().lease()
    assert host.agent().end().state is State.FREE
    step = modes_step(host)
    assert step.outcome == "none"
    assert step.evidence.endswith("were not checked: libnvidia-ml.so.1 is not on this host")


def test_a_lease_whose_beginning_nobody_saw_is_not_said_to_be_as_before(host: Place, card: Card) -> None:
    tools, host.tools = host.tools, Tools()
    host.agent().lease()
    host.tools = tools
    assert host.agent().end().state is State.FREE
    assert "nobody noted" in modes_step(host).evidence


def test_other_vendors_cards_have_no_such_step(tmp_path: Path, card: Card) -> None:
    npu = place(tmp_path, npu_host)
    npu.tools = Tools(modes=card)
    agent = npu.agent()
    (slice_,) = agent.inventory().slices.values()
    agent.lease(found=slice_)
    record = agent.end(found=slice_)
    assert record.certificate is not None
    assert [step.method for step in record.certificate.steps].count("modes") == 0


# --- NVIDIA's library ----------------------------------------------------------------------------------


class Library:
    """Answers as libnvidia-ml does, for one card; says how often it was opened."""

    def __init__(self) -> None:
        self.mig, self.ecc, self.power = [0, 0], [1, 1], 300_000
        self.open = 0
        self.lacks: set[str] = set()
        self.answer = 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, name: ctypes.c_char_p, card: object) -> int:  # noqa: N802
        return 0 if name.value == GPU.encode() else 6

    def nvmlDeviceGetMigMode(self, card: object, now: object, following: object) -> int:  # noqa: N802
        return self._tell("mig", (now, following), self.mig)

    def nvmlDeviceGetEccMode(self, card: object, now: object, following: object) -> int:  # noqa: N802
        return self._tell("ecc", (now, following), self.ecc)

    def nvmlDeviceGetPowerManagementLimit(self, card: object, limit: object) -> int:  # noqa: N802
        return self._tell("power", (limit,), [self.power])

    def nvmlDeviceSetMigMode(self, card: object, mode: ctypes.c_uint, status: object) -> int:  # noqa: N802
        self.mig[1] = mode.value
        return self.answer

    def nvmlDeviceSetEccMode(self, card: object, mode: ctypes.c_uint) -> int:  # noqa: N802
        self.ecc[1] = mode.value
        return self.answer

    def nvmlDeviceSetPowerManagementLimit(self, card: object, limit: ctypes.c_uint) -> int:  # noqa: N802
        self.power = limit.value
        return self.answer

    def _tell(self, what: str, places: tuple[object, ...], values: list[int]) -> int:
        if what in self.lacks:
            return 3
        for place_, value in zip(places, values, strict=True):
            number = ctypes.cast(place_, ctypes.POINTER(ctypes.c_uint))  # type: ignore[arg-type]
            number.contents.value = value
        return 0


@pytest.fixture
def library() -> Library:
    return Library()


def nvml(library: Library) -> NvmlModes:
    return NvmlModes(lambda name: library)  # type: ignore[arg-type,return-value]


def test_modes_are_read_and_set_and_the_library_is_let_go_each_time(library: Library) -> None:
    modes = nvml(library)
    assert modes.read(GPU) == AS_BOUGHT
    for name, value in ((MIG, 1), (ECC, 0), (POWER, 250_000)):
        modes.set(GPU, name, value)
    assert modes.read(GPU) == {MIG: Mode(0, 1), ECC: Mode(1, 0), POWER: Mode(250_000, 250_000)}
    with pytest.raises(OSError, match="answers 6"):
        modes.read("0000:99:00.0")
    assert library.open == 0


def test_what_a_card_does_not_have_is_left_out(library: Library) -> None:
    library.lacks = {"mig", "ecc"}
    assert set(nvml(library).read(GPU)) == {POWER}


def test_a_refusal_names_the_call(library: Library) -> None:
    library.answer = 4
    with pytest.raises(OSError, match="nvmlDeviceSetMigMode answers 4"):
        nvml(library).set(GPU, MIG, 0)
    assert library.open == 0


def test_a_host_without_the_library_says_so() -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(OSError, match="is not on this host"):
        NvmlModes(missing).read(GPU)


# --- xe's knobs ----------------------------------------------------------------------------------------


@pytest.fixture
def flex(tmp_path: Path) -> Place:
    found = place(tmp_path, lambda folder: build("flex170-x1", folder))
    agent = found.agent()
    (card,) = cards(agent.host.slicer.look().snapshot)
    cut = Cut(
        Kind.XE_VF, count=2, memory_mib=4096, sharing=Sharing(quantum_us=20_000, preempt_timeout_us=640)
    )
    agent.host.slicer.apply(card, Plan((cut,)))
    return found


def profile(flex: Place, name: str) -> str:
    (path,) = sorted(flex.kernel.sysfs().root.glob(f"sys/devices/pci*/*/*/sriov_admin/vf1/profile/{name}"))
    return str(path.relative_to(flex.kernel.sysfs().root))


def test_quantum_and_timeout_come_back_to_what_they_were(flex: Place) -> None:
    agent = flex.agent()
    leased = min(agent.inventory().slices.values(), key=lambda each: each.name)
    agent.lease(found=leased)
    sysfs = agent.host.sysfs
    sysfs.write(profile(flex, "exec_quantum_ms"), "99")
    sysfs.write(profile(flex, "preempt_timeout_us"), "1")
    record = flex.agent().end(found=leased)
    assert record.state is State.FREE
    assert sysfs.read_text(profile(flex, "exec_quantum_ms")) == "20"
    assert sysfs.read_text(profile(flex, "preempt_timeout_us")) == "640"
    assert record.certificate is not None
    restore = next(step for step in record.certificate.steps if step.name == "restore")
    assert "exec_quantum_ms was 99 and is 20 again" in restore.evidence
    assert f"vram_quota {4096 << 20}" in restore.evidence


def test_a_quota_that_does_not_come_back_ends_in_quarantine(flex: Place) -> None:
    agent = flex.agent()
    leased = min(agent.inventory().slices.values(), key=lambda each: each.name)
    agent.lease(found=leased)
    flex.kernel.put(profile(flex, "vram_quota"), "1\n")
    record = flex.agent().end(found=leased)
    assert record.state is State.QUARANTINED
    assert "vram_quota" in record.reason


def test_a_reboot_sets_knobs_anew_and_the_lease_goes_on_with_those(flex: Place) -> None:
    agent = flex.agent()
    leased = min(agent.inventory().slices.values(), key=lambda each: each.name)
    agent.lease(found=leased)
    before = flex.kernel.sysfs().read_text(profile(flex, "vram_quota"))
    flex.kernel.reboot()
    agent = flex.agent()
    (card,) = cards(agent.host.slicer.look().snapshot, catalogue=builtin())
    cut = Cut(
        Kind.XE_VF, count=2, memory_mib=4096, sharing=Sharing(quantum_us=20_000, preempt_timeout_us=640)
    )
    agent.host.slicer.apply(card, Plan((cut,)))
    agent = flex.agent()
    agent.lease(found=leased)
    assert flex.record(leased.name).lease.knobs
    assert flex.agent().end(found=leased).state is State.FREE
    assert flex.kernel.sysfs().read_text(profile(flex, "vram_quota")) == before


def test_the_same_claim_again_does_not_take_what_was_changed_for_what_was(host: Place, card: Card) -> None:
    host.agent().lease()
    card.modes[POWER] = replace(card.modes[POWER], now=1, next=1)
    host.agent().lease()
    assert host.record().lease.modes[GPU][POWER] == 300_000
    assert host.record().claim_id == CLAIM
    assert host.record().device == DEVICE
