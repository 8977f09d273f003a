"""Decides whether an amount fits an inventory, as the Placement API defines it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stock:
    """One class of one provider with what is used of it."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = 2**31 - 1
    step_size: int = 1
    allocation_ratio: float = 1.0
    used: int = 0

    @property
    def capacity(self) -> int:
        return capacity(self.total, self.reserved, self.allocation_ratio)

    @property
    def free(self) -> int:
        """Below zero when the inventory shrank, or was reserved, under its allocations."""
        return self.capacity - self.used

    @property
    def most(self) -> int:
        """That one consumer may take now."""
        return min(self.free, self.max_unit)

    def takes(self, amount: int) -> bool:
        """Whether `amount` more can be taken in one piece."""
        return (
            self.min_unit <= amount <= self.max_unit
            and self.used + amount <= int((self.total - self.reserved) * self.allocation_ratio)
            and not amount % self.step_size
        )


def capacity(total: int, reserved: int, allocation_ratio: float) -> int:
    """What may be allocated in all."""
    return int((total - reserved) * allocation_ratio)


def misfit(stock: Stock, amount: int) -> str | None:
    """Why `amount` more cannot be taken: `resource_class_short`, `below_min_unit`, `above_max_unit`,
    `not_step_size`; None when it can."""
    if amount > stock.free:
        return "resource_class_short"
    if amount < stock.min_unit:
        return "below_min_unit"
    if amount > stock.max_unit:
        return "above_max_unit"
    if amount % stock.step_size:
        return "not_step_size"
    return None
