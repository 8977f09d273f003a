"""Says of flavors with slices of cards how large these are: shown among their extra specs, kept nowhere.

`kcloud:slice_share`        of a card's power to compute, in thousandths
`kcloud:slice_memory_mib`   of its memory

Only where every slice of the class is alike, and the flavor asks for one class.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import Shape
from kcloud_api.compute.flavors.service import FlavorRecord
from kcloud_api.placement.names import canonical_class
from kcloud_api.scheduler.request import RESOURCES

SHARE = "kcloud:slice_share"
MEMORY = "kcloud:slice_memory_mib"
HOSTS_OWN = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})


def slice_specs(session: Session, flavors: Sequence[FlavorRecord]) -> Mapping[str, Mapping[str, str]]:
    """What is to be shown besides, by flavor id; one question for all of them."""
    asked = {flavor.id: _classes(flavor.extra_specs) for flavor in flavors}
    shapes = accelerator.shapes_of(session, {name for names in asked.values() for name in names})
    return {flavor.id: derived(asked[flavor.id], shapes) for flavor in flavors}


def derived(classes: Iterable[str], shapes: Mapping[str, Sequence[Shape]]) -> dict[str, str]:
    found = [shape for name in classes for shape in shapes.get(name, ())]
    if len({shape.resource_class for shape in found}) != 1:
        return {}
    sizes = {
        SHARE: {str(shape.share) for shape in found},
        MEMORY: {str(shape.memory_mib or "") for shape in found},
    }
    return {key: min(values) for key, values in sizes.items() if len(values) == 1 and min(values)}


def _classes(extra_specs: Mapping[str, str]) -> frozenset[str]:
    """Of devices that it asks for."""
    matches = (RESOURCES.match(key) for key, value in extra_specs.items() if value != "0")
    return frozenset(canonical_class(match[2]) for match in matches if match) - HOSTS_OWN
