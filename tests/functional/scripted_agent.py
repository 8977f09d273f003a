"""A host in a few lines: speaks the agents' API, does what a test says, and by default does as it is told."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx

from kcloud_common.certificate import NO_CERTIFICATE, Certificate, Occasion
from kcloud_common.signing import fingerprint, public_key, sign, unsigned
from kcloud_common.wire import (
    Assignment,
    CardReport,
    ClaimWant,
    DeviceReport,
    DeviceState,
    Fault,
    HostReport,
    MachineReport,
    PowerState,
    Presence,
    ReportAck,
    ResourceReport,
    ServerReport,
    ServerWant,
)

SECRET = "s" * 40


def gpu(name: str = "pci_0000_41_00_0", address: str = "0000:41:00.0") -> DeviceReport:
    return DeviceReport(
        name=name, addresses=(address,), vendor_id="10de", product_id="2331",
        resource_class="PGPU", traits=("CUSTOM_GPU_H100",),
    )  # fmt: skip


def vgpus(
    count: int, card: str = "pci_0000_41_00_0", resource_class: str = "VGPU", **facts: object
) -> list[DeviceReport]:
    """The slices of a card that is cut into `count` equal mediated devices."""
    return [
        DeviceReport.model_validate(
            {
                "name": f"mdev_{UUID(int=number)}".replace("-", "_") + card[-8:], "card": card,
                "kind": "mdev", "slice_type": "nvidia-558", "mdev": uuid5(UUID(int=number), card),
                "addresses": (), "vendor_id": "10de", "product_id": "26b9", "model": "L40S",
                "resource_class": resource_class, "share": 1000 // count, "memory_mib": 49152 // count,
                "sharing": {"policy": "equal", "quantum_us": 2000}, **facts,
            }
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def enrolment_token(admin: httpx.Client, host: str) -> str:
    answer = admin.post("/kcloud/v1/enrolments", json={"host": host})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


@dataclass
class ScriptedAgent:
    """One enrolled host with an open session. `devices` are reported as they are."""

    client: httpx.Client
    """Anybody's to the cloud; the host's own headers are what counts."""
    name: str
    host_id: UUID
    devices: list[DeviceReport] = field(default_factory=list)
    boot_id: UUID = field(default_factory=uuid4)
    epoch: int = 0
    sequence: int = 0
    problems: tuple[str, ...] = ()
    assignment: Assignment | None = None
    vcpus: int = 8
    cards: tuple[CardReport, ...] = ()
    machine: MachineReport | None = None
    resources: tuple[ResourceReport, ...] = ()
    layout_version: str = ""
    leases: dict[str, ClaimWant] = field(default_factory=dict)
    """What it holds prepared, by device."""
    chains: dict[str, Certificate] = field(default_factory=dict)
    """The newest certificate of each device."""

    @classmethod
    def enrol(
        cls, admin: httpx.Client, name: str, devices: list[DeviceReport] | None = None
    ) -> "ScriptedAgent":
        answer = admin.post(
            "/kcloud/v1/enrol",
            headers={"X-Kcloud-Enrol-Token": enrolment_token(admin, name)},
            json={"host": name, "secret": SECRET},
        )
        assert answer.status_code == 200, answer.text
        agent = cls(admin, name, UUID(answer.json()["host_id"]), devices or [])
        agent.open_session()
        return agent

    @property
    def seed(self) -> bytes:
        """Its private key."""
        return sha256(self.name.encode()).digest()

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Kcloud-Host-Id": str(self.host_id), "X-Kcloud-Host-Secret": SECRET}

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        url = f"/kcloud/v1/hosts/{self.host_id}/{path}"
        return self.client.request(method, url, headers=self.headers, timeout=40, **more)

    def open_session(self) -> int:
        answer = self.call("POST", "session")
        assert answer.status_code == 200, answer.text
        self.epoch, self.sequence = answer.json()["epoch"], 0
        return self.epoch

    def pull(self, *, wait: float = 0.0) -> Assignment:
        after = self.assignment.generation if self.assignment else 0
        answer = self.call("GET", "assignment", params={"after": after, "wait": wait})
        assert answer.status_code == 200, answer.text
        self.assignment = Assignment.model_validate_json(answer.content)
        return self.assignment

    def report(
        self, *servers: ServerReport, sequence: int | None = None, epoch: int | None = None
    ) -> ReportAck:
        self.sequence = self.sequence + 1 if sequence is None else sequence
        body = HostReport(
            epoch=self.epoch if epoch is None else epoch,
            sequence=self.sequence,
            boot_id=self.boot_id,
            assignment_generation=self.assignment.generation if self.assignment else 0,
            hypervisor_type="fake", hypervisor_version="1.2.3",
            vcpus=self.vcpus, memory_mib=16384, disk_gib=100, reserved_memory_mib=512,
            servers=servers, devices=tuple(self.devices), cards=self.cards, resources=self.resources,
            problems=self.problems,
            machine=self.machine,
            certificate_key=public_key(self.seed), layout_version=self.layout_version,
        )  # fmt: skip
        answer = self.call("PUT", "report", json=body.model_dump(mode="json"))
        assert answer.status_code == 200, answer.text
        return ReportAck.model_validate_json(answer.content)

    def want(self, server_id: str, *, wait: float = 0.0) -> ServerWant:
        """What the newest assignment says of a server."""
        found = {str(want.id): want for want in self.pull(wait=wait).servers}
        return found[server_id]

    def says(self, want: ServerWant, power: PowerState, **more: Any) -> ServerReport:  # noqa: ANN401
        facts = {"generation": want.generation, "reboot_count": want.reboot_count, **more}
        return ServerReport.model_validate({"id": want.id, "power_state": power, **facts})

    def obey(self, *, wait: float = 0.0) -> None:
        """Pull, do all of it in no time, and report it."""
        wants = self.pull(wait=wait).servers
        self.hold({claim.device: claim for want in wants if present(want) for claim in want.claims})
        self.report(*(self.done(want) for want in wants))

    def hold(self, claims: dict[str, ClaimWant]) -> None:
        """Prepare the devices of these claims, and clean those of claims that are no more."""
        for name in self.leases.keys() - claims.keys():
            self.clean(name)
        self.leases = claims
        for name, claim in claims.items():
            self.change(
                name, state=DeviceState.CLAIMED, claim_id=claim.id, generation=claim.generation,
                certificate=None,
            )  # fmt: skip

    def clean(self, name: str, **facts: object) -> Certificate:
        """Let the device's lease end as it should; `facts` are of the certificate."""
        lease = self.leases.pop(name, None)
        device = next(device for device in self.devices if device.name == name)
        made = self.certificate(device, lease, **facts)
        self.chains[name] = made
        self.change(name, state=DeviceState.FREE, claim_id=None, certificate=made, reason="")
        return made

    def certificate(self, device: DeviceReport, lease: ClaimWant | None, **facts: object) -> Certificate:
        """The next one of the device's chain."""
        last = self.chains.get(device.name)
        told: dict[str, object] = {
            "device": device.name, "host_id": self.host_id, "vendor_id": device.vendor_id,
            "product_id": device.product_id, "sequence": last.sequence + 1 if last else 1,
            "generation": lease.generation if lease else device.generation,
            "claim_id": lease.id if lease else None, "grade": "B", "issued_at": datetime.now(UTC),
            "occasion": Occasion.LEASE if lease else Occasion.BURN_IN,
            "steps": [{"name": "reset", "method": "flr", "outcome": "done", "milliseconds": 3}],
            "previous": fingerprint(last) if last else NO_CERTIFICATE,
        }  # fmt: skip
        return sign(unsigned(told | facts), self.seed)

    def change(self, name: str, **facts: object) -> None:
        """What it says of one device."""
        self.devices = [
            device.model_copy(update=facts) if device.name == name else device for device in self.devices
        ]

    def done(self, want: ServerWant) -> ServerReport:
        if not present(want):
            return self.says(want, PowerState.NONE, gone=True)
        power = PowerState.RUNNING if want.power == "on" else PowerState.SHUTOFF
        return self.says(want, power, addresses=["192.168.222.10"])

    def fails(
        self, want: ServerWant, message: str = "It broke.", details: str = "0000:41:00.0"
    ) -> ServerReport:
        return self.says(want, PowerState.NONE, fault=Fault(code="broken", message=message, details=details))


def present(want: ServerWant) -> bool:
    return want.presence is Presence.PRESENT


class Obeying:
    """An agent that obeys on a thread until the block ends."""

    def __init__(
        self, agent: ScriptedAgent, *, wait: float = 2.0, also: Callable[[], None] | None = None
    ) -> None:
        self._agent, self._wait, self._also = agent, wait, also
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._agent.obey(wait=self._wait if self._agent.assignment else 0.0)
                if self._also is not None:
                    self._also()
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> "Obeying":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopping.set()
        self._thread.join(self._wait + 10)
        assert self.failure is None, self.failure
