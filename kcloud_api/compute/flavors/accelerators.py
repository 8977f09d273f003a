"""Looks up what a flavor's device profile and PCI aliases stand for."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlmodel import Session

from kcloud_api.accelerator.cyborg.cards import classes_of_product
from kcloud_api.accelerator.cyborg.profiles import groups_of
from kcloud_api.scheduler import aliases as pci
from kcloud_api.scheduler import profiles
from kcloud_api.scheduler.aliases import Alias, Aliases
from kcloud_common.errors import BadRequest, NotFound
from kcloud_common.wire import SliceKind

KEYS = frozenset({profiles.KEY, pci.KEY})
NO_ALIASES: Aliases = MappingProxyType({})


def accelerators(session: Session, extra_specs: Mapping[str, str], aliases: Aliases) -> dict[str, str]:
    """In ordinary extra specs. BadRequest names the profile or alias that there is not, and a group that is
    given twice."""
    asked = _of_profile(session, extra_specs)
    wanted = _wanted(extra_specs, aliases)
    classes = {alias.name: _class(session, alias) for alias, _ in wanted if alias.resource_class is None}
    asked |= pci.as_extra_specs(wanted, classes)
    profiles.check_apart(extra_specs, asked)
    return asked


def check(session: Session, extra_specs: Mapping[str, str], aliases: Aliases) -> None:
    """The same refusals, but for devices that no host has yet."""
    asked = _of_profile(session, extra_specs)
    wanted = _wanted(extra_specs, aliases)
    asked |= pci.as_extra_specs(wanted, {alias.name: "" for alias, _ in wanted})
    profiles.check_apart(extra_specs, asked)


def _of_profile(session: Session, extra_specs: Mapping[str, str]) -> dict[str, str]:
    name = extra_specs.get(profiles.KEY)
    if name is None:
        return {}
    try:
        return profiles.as_extra_specs(groups_of(session, name))
    except NotFound:
        raise BadRequest(f"Device profile {name} could not be found.", field=profiles.KEY) from None


def _wanted(extra_specs: Mapping[str, str], aliases: Aliases) -> tuple[tuple[Alias, int], ...]:
    value = extra_specs.get(pci.KEY)
    return pci.known(pci.asked_for(value), aliases) if value is not None else ()


def _class(session: Session, alias: Alias) -> str:
    """Under which hosts offer what the alias stands for."""
    vendor_id, product_id = alias.ids or ("", "")
    found = classes_of_product(session, vendor_id, product_id, alias.kinds)
    if len(found) == 1:
        return found[0]
    kinds = " or ".join(sorted(alias.kinds))
    if found:
        what = f"are offered under several resource classes ({', '.join(found)}): an operator must say which"
    else:
        what = "are offered by no host"
        if SliceKind.WHOLE not in alias.kinds:
            what += " (the ids of a type-VF alias are those that the virtual functions have themselves)"
    raise BadRequest(
        f"PCI alias {alias.name}: devices {vendor_id}:{product_id} ({kinds}) {what}.", field=pci.KEY
    )
