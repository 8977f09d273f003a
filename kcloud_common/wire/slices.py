"""Sorts of slices, and how the slices of one card share its time: said in both directions."""

from enum import StrEnum

from pydantic import Field

from kcloud_common.wire.base import Wire


class SliceKind(StrEnum):
    """How a card is handed out: one value for each back end."""

    WHOLE = "whole"
    """All functions of the card's IOMMU group."""
    VF = "vf"
    """An SR-IOV function on vfio-pci."""
    MDEV = "mdev"
    VENDOR_VF = "vendor-vf"
    """An SR-IOV function that stays on its vendor's driver, with a vGPU type set."""
    XE_VF = "xe-vf"
    """An SR-IOV function of Intel's xe driver, with quanta and a memory quota."""


class SharingPolicy(StrEnum):
    """How a card's time is shared among its slices (NVIDIA's three words for it)."""

    BEST_EFFORT = "best-effort"
    """Round robin; what one does not use, others get."""
    EQUAL = "equal"
    """One part for each slice that runs."""
    FIXED = "fixed"
    """One part for each slice that could run."""


class Sharing(Wire):
    """Time slicing of one slice, or of a card. None: as the driver has it."""

    policy: SharingPolicy | None = None
    quantum_us: int | None = Field(default=None, ge=0, lt=2**31)
    """How long a slice runs at a stretch, microseconds."""
    preempt_timeout_us: int | None = Field(default=None, ge=0, lt=2**31)
    weight: int | None = Field(default=None, ge=1, le=1000)
