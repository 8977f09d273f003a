"""Decides which of a server's actions may be done side by side, and which failure counts. Pure."""

from collections.abc import Sequence
from itertools import groupby

from kcloud_compute.actions import Action, Define, MakeConfigDrive, MakeDisk, PrepareDevice

INDEPENDENT = (MakeDisk, MakeConfigDrive, PrepareDevice, Define)
"""None of them reads what another writes: files, devices and a definition meet only at the start."""

Stage = tuple[Action, ...]


def stages(actions: Sequence[Action]) -> tuple[Stage, ...]:
    """The same actions in the same order; a stage begins when the one before is done."""
    return tuple(
        stage
        for independent, group in groupby(actions, lambda action: isinstance(action, INDEPENDENT))
        for stage in ((tuple(group),) if independent else ((action,) for action in group))
    )


def gravest(stage: Stage, errors: Sequence[BaseException | None]) -> tuple[Action, BaseException] | None:
    """Which failure of a stage is told: what nobody may catch; then a device's, which may be in need of
    quarantine; then the first."""
    failed = [(action, error) for action, error in zip(stage, errors, strict=True) if error is not None]
    return min(failed, key=_rank, default=None)


def _rank(failed: tuple[Action, BaseException]) -> tuple[bool, bool]:
    action, error = failed
    return isinstance(error, Exception), not isinstance(action, PrepareDevice)
