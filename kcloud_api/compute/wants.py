"""Turns a server into what its host is told to have (kcloud_common.wire.ServerWant). Pure."""

import re
from collections.abc import Iterable

from kcloud_api.accelerator.records import ClaimRecord
from kcloud_api.compute.guest_shape import guest_shape
from kcloud_api.compute.records import ServerRecord
from kcloud_api.compute.states import State
from kcloud_api.network.service import PortRecord
from kcloud_common.wire import ClaimWant, GuestData, ImageWant, PortWant, Power, Presence, ServerWant

ON_HOST = frozenset({State.BUILDING, State.ACTIVE, State.SHUTOFF, State.ERROR, State.DELETING})
"""States in which a server with a host is in that host's assignment."""


def want_of(server: ServerRecord, claims: Iterable[ClaimRecord], ports: Iterable[PortRecord]) -> ServerWant:
    """What the host of this server must make true."""
    held = tuple(map(_claim, claims))
    if server.state is State.DELETING:
        return ServerWant(
            id=server.id,
            generation=server.generation,
            presence=Presence.ABSENT,
            name=server.name,
            claims=held,
        )
    return ServerWant(
        id=server.id,
        generation=server.generation,
        presence=Presence.PRESENT,
        power=Power.ON if server.wanted_on else Power.OFF,
        name=server.name,
        vcpus=server.flavor.vcpus,
        memory_mib=server.flavor.ram_mib,
        disk_gib=server.flavor.disk_gib,
        image=_image(server),
        claims=held,
        ports=tuple(PortWant(id=port.id, mac=port.mac) for port in ports),
        guest=_guest(server),
        shape=guest_shape(server.flavor.extra_specs),
        reboot_count=server.reboot_count,
        console_count=server.console_count,
    )


def _claim(claim: ClaimRecord) -> ClaimWant:
    return ClaimWant(
        id=claim.id, device=claim.device, addresses=claim.addresses, kind=claim.kind, mdev=claim.mdev,
        generation=claim.generation,
    )  # fmt: skip


def _image(server: ServerRecord) -> ImageWant:
    image = server.image
    return ImageWant(id=image.id, sha512=image.sha512, size=image.size, disk_format=image.disk_format)


def _guest(server: ServerRecord) -> GuestData:
    return GuestData(
        hostname=hostname(server.name) or f"server-{server.id}",
        project_id=server.project_id,
        key_name=server.key_name,
        public_key=server.public_key,
        user_data=server.user_data,
        metadata=dict(server.metadata),
    )


def hostname(name: str) -> str:
    """A server's name as a DNS label, the way Nova makes it; empty when nothing of it may stay."""
    plain = name.encode("ascii", "ignore").decode()
    joined = re.sub(r"[ _.]+", "-", plain)
    return re.sub(r"[^a-z0-9-]", "", joined.lower()).strip("-")[:63].rstrip("-")
