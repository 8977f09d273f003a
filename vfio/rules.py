"""The operator's words for what a host offers: parses one rule and says whether it fits a device.

10de:20b5                     vendor and device id
class:1200 or class:120000    class and subclass, or the full code
address:0000:41:00.0          one function; `address:` may be left out
known                         known accelerators (the default)
RULE=RESOURCE_CLASS[,TRAIT]   and how placement shall call it
RULE=kind:pim[,RESOURCE_CLASS[,TRAIT]]   and what it is, where no catalogue can know
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace

from vfio.catalogue import Catalogue
from vfio.catalogue_words import KINDS
from vfio.device import PciDevice, checked_address

_IDS = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})\Z")
_CLASS = re.compile(r"class:([0-9a-f]{4}|[0-9a-f]{6})\Z")
_KIND = "kind:"
_NAME = re.compile(r"[A-Z0-9_]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class OfferRule:
    """One rule. Exactly one of ids, class_prefix and address is set; none of them means `known`."""

    ids: tuple[int, int] | None = None
    class_prefix: str | None = None
    """Four or six hex digits."""
    address: str | None = None
    resource_class: str | None = None
    """None: the kind's."""
    traits: tuple[str, ...] = ()
    kind: str | None = None
    """None: the catalogue's."""

    def __str__(self) -> str:
        kind = (f"{_KIND}{self.kind}",) if self.kind else ()
        names = (self.resource_class, *self.traits) if self.resource_class else ()
        said = ",".join((*kind, *names))
        return f"{self.match}={said}" if said else self.match

    @property
    def match(self) -> str:
        if self.ids:
            return f"{self.ids[0]:04x}:{self.ids[1]:04x}"
        if self.class_prefix:
            return f"class:{self.class_prefix}"
        return f"address:{self.address}" if self.address else "known"

    def fits(self, device: PciDevice, catalogue: Catalogue) -> bool:
        if self.address is not None:
            return device.address == self.address
        if self.ids is not None:
            return (device.vendor, device.product) == self.ids
        if self.class_prefix is not None:
            return f"{device.class_code:06x}".startswith(self.class_prefix)
        return catalogue.accelerator(device) is not None


KNOWN = OfferRule()


def parse_rule(text: str) -> OfferRule:
    """ValueError names the part that is wrong."""
    match, separator, names = text.strip().partition("=")
    rule = _parse_match(match.strip().lower())
    if rule is None:
        raise ValueError(
            f"rule {text!r}: want vendor:device (10de:20b5), class:1200, an address (0000:41:00.0) or known"
        )
    if not separator:
        return rule
    said = [name.strip() for name in names.split(",")]
    kind = said.pop(0).removeprefix(_KIND) if said[0].startswith(_KIND) else None
    if kind is not None and kind not in KINDS:
        raise ValueError(f"rule {text!r}: {kind!r} is no kind (want one of {', '.join(sorted(KINDS))})")
    for name in said:
        if not _NAME.match(name):
            raise ValueError(f"rule {text!r}: {name!r} is not a name (want A-Z, 0-9 and _)")
    return replace(rule, kind=kind, resource_class=said[0] if said else None, traits=tuple(said[1:]))


def _parse_match(match: str) -> OfferRule | None:
    if match == "known":
        return KNOWN
    if found := _IDS.match(match):
        return OfferRule(ids=(int(found[1], 16), int(found[2], 16)))
    if found := _CLASS.match(match):
        return OfferRule(class_prefix=found[1])
    with suppress(ValueError):
        return OfferRule(address=checked_address(match.removeprefix("address:")))
    return None
