"""Finds what a damaged journal entry still says: cut short, or of a release that we do not know. Pure."""

import re
from dataclasses import dataclass

_SLICE = re.compile(r'"slice":\s*\{\s*"name":\s*"([A-Za-z0-9_.:-]{1,128})"')
_ADDRESS = re.compile(r'"([0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7])"')


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Hints, and no more: nothing may be bound or restored by them."""

    name: str = ""
    """Of the slice."""
    addresses: tuple[str, ...] = ()


def salvage(text: str) -> Salvaged:
    name = _SLICE.search(text)
    return Salvaged(name[1] if name else "", tuple(dict.fromkeys(_ADDRESS.findall(text))))
