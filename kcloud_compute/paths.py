"""Where things are in the agent's state directory. Names come from UUIDs and digests, never from text."""

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

SHA512 = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True)
class StatePaths:
    """`root` is absolute: hypervisors and qemu-img are given these paths."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def identity(self) -> Path:
        return self.root / "identity.json"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def servers(self) -> Path:
        return self.root / "servers"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def devices(self) -> Path:
        """What is remembered of each device."""
        return self.root / "devices"

    @property
    def layouts(self) -> Path:
        """How cards were cut."""
        return self.root / "layouts"

    @property
    def certificate_key(self) -> Path:
        return self.root / "certificate.key"

    def image(self, sha512: str) -> Path:
        if not SHA512.fullmatch(sha512):
            raise ValueError(f"not a SHA-512 digest: {sha512!r}")
        return self.images / sha512

    def server(self, server_id: UUID) -> Path:
        return self.servers / str(server_id)

    def disk(self, server_id: UUID) -> Path:
        return self.server(server_id) / "disk.qcow2"

    def base(self, server_id: UUID) -> Path:
        """A hard link to the server's image: an image with a second link is in use, and is never removed."""
        return self.server(server_id) / "base"

    def config_drive(self, server_id: UUID) -> Path:
        return self.server(server_id) / "config.iso"

    def console(self, server_id: UUID) -> Path:
        return self.server(server_id) / "console.log"

    def record(self, server_id: UUID) -> Path:
        return self.server(server_id) / "record.json"

    def make(self) -> None:
        """The folders. The root may be passed through (a hypervisor's user opens disks), not listed."""
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in (self.images, self.servers, self.journal):
            folder.mkdir(mode=0o711, exist_ok=True)
