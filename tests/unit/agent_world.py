"""A host as plain data for the planner's tests: what actions do to it, and what to start from."""

from dataclasses import replace
from pathlib import PurePosixPath
from uuid import UUID

from hypothesis import strategies as st

from hypervisor_drivers.spec import DomainSeen, DomainSpec, DomainState
from kcloud_common.wire import (
    Assignment,
    ClaimWant,
    GuestData,
    ImageWant,
    PortWant,
    Power,
    Presence,
    ServerWant,
)
from kcloud_compute.actions import (
    Action,
    Define,
    DeviceAction,
    FetchImage,
    MakeConfigDrive,
    MakeDisk,
    PrepareDevice,
    Reboot,
    ReleaseDevice,
    RemoveFiles,
    Start,
    Stop,
    Undefine,
    UploadConsole,
    WriteRecord,
)
from kcloud_compute.observed import Folder, Held, Observed
from kcloud_compute.planner import LIVE, HostPlan
from kcloud_compute.records import Record
from kcloud_compute.translate import Host, domain_spec
from vfio.slices.model import Kind, Slice

BOOT, EARLIER_BOOT = UUID(int=0xB0), UUID(int=0xB1)
HOST = Host(virt_type="qemu", network="kcloud", servers=PurePosixPath("/state/servers"))
IMAGE = ImageWant(id=UUID(int=0x1A), sha512="ab" * 64, size=1000, disk_format="qcow2")
GUEST = GuestData(hostname="web", project_id="p1", user_data="I2Nsb3VkLWNvbmZpZwo=")
_ADDRESSES = {
    "pci_0000_41_00_0": ("0000:41:00.0", "0000:41:00.1"),
    "pci_0000_42_00_0": ("0000:42:00.0",),
}
DEVICES = {
    name: Slice(name, Kind.WHOLE, name, addresses, "PGPU", vendor_id="10de", product_id="20b5")
    for name, addresses in _ADDRESSES.items()
}


def server_id(number: int) -> UUID:
    return UUID(int=0x5E00 + number)


def claim_id(number: int) -> UUID:
    return UUID(int=0xC100 + number)


def claim(number: int, device: str) -> ClaimWant:
    return ClaimWant(id=claim_id(number), device=device, addresses=DEVICES[device].addresses)


def want(number: int = 1, *, claims: tuple[ClaimWant, ...] = (), **changes: object) -> ServerWant:
    port = PortWant(id=UUID(int=0xF0 + number), mac=f"fa:16:3e:00:00:{number:02x}")
    whole = ServerWant(
        id=server_id(number),
        generation=3,
        presence=Presence.PRESENT,
        name="web",
        image=IMAGE,
        claims=claims,
        ports=(port,),
        guest=GUEST,
    )
    return whole.model_copy(update=changes)


def absent(number: int = 1, *, claims: tuple[ClaimWant, ...] = ()) -> ServerWant:
    return ServerWant(id=server_id(number), generation=4, presence=Presence.ABSENT, claims=claims)


def assignment(*wants: ServerWant) -> Assignment:
    return Assignment(host_id=UUID(int=0xA0), generation=9, servers=wants)


def observed(**changes: object) -> Observed:
    return replace(Observed(boot_id=BOOT, offered=DEVICES), **changes)  # type: ignore[arg-type]


def seen(spec: DomainSpec, state: DomainState) -> DomainSeen:
    return DomainSeen(
        uuid=spec.uuid,
        name=spec.name,
        state=state,
        metadata=spec.metadata,
        hostdevs=tuple(hostdev.address for hostdev in spec.hostdevs),
        macs=tuple(nic.mac for nic in spec.nics),
    )


def domain(wanted: ServerWant, state: DomainState = DomainState.RUNNING) -> DomainSeen:
    return seen(domain_spec(wanted, HOST), state)


class World:
    """Does to an observation what execute.py does to a host, and refuses what a host would refuse."""

    def __init__(self, start: Observed) -> None:
        self.now = start
        self.done: list[Action] = []

    def apply(self, plan: HostPlan) -> None:
        for server in plan.servers:
            for action in server.actions:
                self.do(action)
        for upload in plan.consoles:
            self.do(upload)
        for release in plan.orphans:
            self.do(release)

    def do(self, action: Action) -> None:
        self.done.append(action)
        before = self.now
        self.domains, self.folders = dict(before.domains), dict(before.folders)
        self.claims, self.consoles = dict(before.claims), dict(before.consoles)
        self.images = before.images
        if isinstance(action, Define | Start | Reboot | Stop | Undefine):
            self._do_to_domain(action)
        elif isinstance(action, PrepareDevice | ReleaseDevice):
            self._do_to_device(action)
        elif not isinstance(action, DeviceAction):
            self._do_to_files(action)
        self.now = replace(
            before,
            domains=self.domains,
            folders=self.folders,
            claims=self.claims,
            images=self.images,
            consoles=self.consoles,
        )

    def _do_to_domain(self, action: Define | Start | Reboot | Stop | Undefine) -> None:
        id = action.server_id
        match action:
            case Define():
                self.domains[id] = seen(action.spec, DomainState.SHUTOFF)
            case Start():
                self._check_start(self.domains[id], self.folders[id], self.claims)
                self.domains[id] = replace(self.domains[id], state=DomainState.RUNNING)
            case Reboot():
                self.domains[id] = replace(self.domains[id], state=DomainState.RUNNING)
            case Stop():
                self.domains[id] = replace(self.domains[id], state=DomainState.SHUTOFF)
            case Undefine():
                del self.domains[id]

    def _do_to_device(self, action: PrepareDevice | ReleaseDevice) -> None:
        if isinstance(action, PrepareDevice):
            others = {
                address
                for other, held in self.claims.items()
                if other != action.claim_id
                for address in held.addresses
            }
            taken = action.slice
            assert not others.intersection(taken.addresses), "two claims on one device"
            self.claims[action.claim_id] = Held(taken.addresses, taken.name, ready=True)
            return
        held = set(self.claims.pop(action.claim_id).addresses)
        for other in self.domains.values():
            assert not held.intersection(other.hostdevs), "released under a domain"

    def _do_to_files(
        self, action: WriteRecord | FetchImage | MakeDisk | MakeConfigDrive | RemoveFiles | UploadConsole
    ) -> None:
        id = action.server_id
        folder = self.folders.get(id, Folder())
        match action:
            case WriteRecord():
                self.folders[id] = replace(folder, record=action.record)
            case FetchImage():
                self.images |= {action.image.sha512}
            case MakeDisk():
                assert not folder.disk, "a disk is never made anew"
                assert action.image.sha512 in self.images
                self.folders[id] = replace(folder, disk=True)
            case MakeConfigDrive():
                self.folders[id] = replace(folder, config_drive=True)
            case RemoveFiles():
                del self.folders[id]
            case UploadConsole():
                self.consoles[id] = action.count

    def _check_start(self, starting: DomainSeen, folder: Folder, claims: dict[UUID, Held]) -> None:
        assert folder.disk
        assert folder.config_drive
        ready = {address for held in claims.values() if held.ready for address in held.addresses}
        assert ready.issuperset(starting.hostdevs), "started without its devices"
        for other in self.now.domains.values():
            if other.uuid != starting.uuid and other.state in LIVE:
                assert not set(other.hostdevs) & set(starting.hostdevs), "one device, two guests"


@st.composite
def records(draw: st.DrawFn, wanted: ServerWant) -> Record:
    return Record(
        claims=draw(st.sampled_from([(), tuple(claim.id for claim in wanted.claims)])),
        generation=draw(st.integers(0, wanted.generation)),
        has_run=draw(st.booleans()),
        running=draw(st.booleans()),
        boot_id=draw(st.sampled_from([BOOT, EARLIER_BOOT])),
        reboot_count=draw(st.integers(0, wanted.reboot_count)),
    )


@st.composite
def folders(draw: st.DrawFn, wanted: ServerWant) -> Folder:
    record = draw(st.none() | records(wanted))
    lost = record is not None and record.has_run
    return Folder(disk=draw(st.booleans()) or lost, config_drive=draw(st.booleans()), record=record)


@st.composite
def wants(draw: st.DrawFn, number: int) -> ServerWant:
    names = [[], ["pci_0000_41_00_0"], ["pci_0000_42_00_0"], list(DEVICES)]
    devices = draw(st.sampled_from(names))
    claims = tuple(claim(10 * number + index, name) for index, name in enumerate(devices))
    if draw(st.booleans()):
        return absent(number, claims=claims if draw(st.booleans()) else ())
    return want(
        number,
        claims=claims,
        power=draw(st.sampled_from(Power)),
        reboot_count=draw(st.integers(0, 2)),
        console_count=draw(st.integers(0, 2)),
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Assignment, Observed]:
    """Up to three servers, any subset of their artefacts, each device with at most one holder."""
    chosen = [draw(wants(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    domains: dict[UUID, DomainSeen] = {}
    found: dict[UUID, Folder] = {}
    claims: dict[UUID, Held] = {}
    taken: set[str] = set()
    for number, wanted in enumerate(chosen, start=1):
        former = want(number, claims=wanted.claims, generation=draw(st.integers(1, wanted.generation)))
        mine = {address for each in wanted.claims for address in each.addresses}
        if draw(st.booleans()):
            found[wanted.id] = draw(folders(former))
        if mine & taken:
            continue
        taken |= mine
        state = draw(st.none() | st.sampled_from(DomainState))
        if state is not None:
            domains[wanted.id] = domain(former, state)
            if state in LIVE:
                found[wanted.id] = replace(found.get(wanted.id, Folder()), disk=True)
        for each in wanted.claims:
            if draw(st.booleans()):
                claims[each.id] = Held(each.addresses, ready=draw(st.booleans()))
    images = draw(st.sampled_from([frozenset(), frozenset({IMAGE.sha512})]))
    return assignment(*chosen), observed(domains=domains, folders=found, claims=claims, images=images)
