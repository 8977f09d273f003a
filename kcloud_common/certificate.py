"""A certificate: what was done to a device between two tenants, signed by its host, chained to the last one.

The model alone; signing.py makes and checks them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _plain(text: str) -> str:
    """Without what does not print. A certificate is read on terminals, and its JSON needs no `\\u` escapes,
    which could be written in more than one way."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


Short = Annotated[str, AfterValidator(lambda text: _plain(text[:255]))]
Long = Annotated[str, AfterValidator(lambda text: _plain(text[:1024]))]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

NO_CERTIFICATE = "0" * 64
"""`previous` of a device's first certificate."""


class Grade(StrEnum):
    """What the cleaning amounts to, best first."""

    A = "A"
    """Reset, verified, its memory scrubbed, and the scrub read back."""
    B = "B"
    """Reset, verified and scrubbed by the vendor's own means, or destroyed and made anew (mdev, vGPU)."""
    C = "C"
    """Reset and verified; nothing scrubs this model's memory."""


class Occasion(StrEnum):
    LEASE = "lease"
    """At the end of a lease."""
    BURN_IN = "burn-in"
    """An operator asked for it, out of quarantine or before first use."""


class CertificateStep(BaseModel):
    """One step of the pipeline as it went."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Short
    """`fence`, `stop`, `restore`, `reset`, `verify`, `scrub`, `read-back`."""
    method: Short = ""
    outcome: Short
    """`done`, or `none` where the device has no such means."""
    milliseconds: int = Field(ge=0, lt=2**31)
    evidence: Long = ""


class Certificate(BaseModel):
    """Hash and signature cover the canonical JSON of every field but `signature`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Short
    host_id: UUID
    serial: Short = ""
    vendor_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(pattern=r"^[0-9a-f]{4}$")
    sequence: int = Field(ge=1, lt=2**63)
    generation: int = Field(ge=0, lt=2**63)
    """Of the lease that ended; of the last one for a burn-in."""
    claim_id: UUID | None = None
    occasion: Occasion
    grade: Grade
    steps: Annotated[tuple[CertificateStep, ...], Field(max_length=64)]
    issued_at: datetime
    previous: Hash
    """Hash of the device's certificate before this one."""
    key: Hash
    """The host's ed25519 public key."""
    signature: str = Field(pattern=r"^[0-9a-f]{128}$")
