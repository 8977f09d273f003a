"""The port of a back end: one way of cutting cards. Five files implement it; `slicer.Slicer` drives them.

A back end neither journals nor locks: the slicer writes down what stands before it lets a back end change
anything, and undoes what did not succeed. So each verb that changes something may be called again after a
stop at any of its lines, and ends in the same state.
"""

from typing import Protocol

from vfio.journal import ClaimRecord
from vfio.slices.model import Ability, Card, Kind, Plan, Sight, Slice
from vfio.slices.records import Before, LayoutRecord


class BackEnd(Protocol):
    @property
    def kind(self) -> Kind: ...

    def abilities(self, card: Card, sight: Sight) -> tuple[Ability, ...]:
        """What this card can be cut into, by what the kernel says now. Empty: nothing of this kind. Changes
        nothing."""

    def refusal(self, card: Card, plan: Plan, sight: Sight) -> str:
        """Why the card, which is empty, cannot be cut so, with the kernel's numbers; empty when it may be
        tried. Changes nothing."""

    def before(self, card: Card, plan: Plan, sight: Sight) -> Before:
        """Everything that `open` and `make` would change, as it is now: to be journalled."""

    def open(self, card: Card, record: LayoutRecord) -> None:
        """Bring the card to where its kernel says all that it can be cut into: `abilities` and `refusal` are
        asked again then, before `make`. Errors as of `make`."""

    def make(self, card: Card, record: LayoutRecord) -> None:
        """Make the card so. SysfsError or LayoutRefused where it could not; some of it may stand then."""

    def unmake(self, card: Card, record: LayoutRecord) -> None:
        """Make the card as `record.before` says, whatever stands. SysfsError where it could not."""

    def slices(self, card: Card, record: LayoutRecord, sight: Sight) -> tuple[Slice, ...]:
        """What of the layout stands. Changes nothing."""

    def prepare(self, claim: ClaimRecord) -> tuple[str, ...]:
        """Make the claim's slice ready for its guest; returns the PCI functions that were taken for it.
        Raises as `Binder.prepare` does."""

    def release(self, claim: ClaimRecord) -> None:
        """Take the slice back and leave it as a fresh one; forgets the claim. NotRestored: call again."""
