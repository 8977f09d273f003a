"""Reads what AER counts on the functions that a lease uses: those of its slice, and their card."""

from vfio.device import address_of
from vfio.health import Errors
from vfio.health_reading import read_errors
from vfio.slices.model import Slice
from vfio.sysfs import Sysfs


def count_errors(sysfs: Sysfs, leased: Slice) -> dict[str, Errors]:
    """By address. What is gone, or counts nothing, is left out."""
    card = address_of(leased.card)
    addresses = dict.fromkeys((*leased.addresses, *((card,) if card else ())))
    found = ((address, read_errors(sysfs, address)) for address in addresses)
    return {address: errors for address, errors in found if errors is not None}
