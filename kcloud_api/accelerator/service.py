"""What the rest of kcloud asks about devices: keep what hosts report, claim, release, look.

Nothing here commits. Whoever claims, reports or operates first takes the lock of the host's assignment
(compute/assigning.py).
"""

from kcloud_api.accelerator.certificate_listing import (
    anchors_of,
    certificate_page,
    has_leased,
    host_keys,
)
from kcloud_api.accelerator.claiming import claim, claim_ids, claims_of, release
from kcloud_api.accelerator.cutting import cut_cards
from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.listing import (
    card_page,
    device_page,
    devices,
    places_of,
)
from kcloud_api.accelerator.remembering import forget_host, welcome_host
from kcloud_api.accelerator.retiring import Ages, any_old, forget_old
from kcloud_api.accelerator.shapes import of_classes as shapes_of
from kcloud_api.accelerator.shapes import page as shape_page
from kcloud_api.accelerator.syncing import providers, sync_cards, sync_devices

__all__ = [
    "MISSING",
    "Ages",
    "anchors_of",
    "any_old",
    "card_page",
    "certificate_page",
    "claim",
    "claim_ids",
    "claims_of",
    "cut_cards",
    "device_page",
    "devices",
    "forget_host",
    "forget_old",
    "has_leased",
    "host_keys",
    "places_of",
    "providers",
    "release",
    "shape_page",
    "shapes_of",
    "sync_cards",
    "sync_devices",
    "welcome_host",
]
