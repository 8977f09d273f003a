"""The conflicts that clients of the Placement API tell apart by code."""

from kcloud_common.errors import Conflict


class InventoryInUse(Conflict):
    code = "placement.inventory.inuse"


class ProviderInUse(Conflict):
    code = "placement.resource_provider.inuse"


class ProviderHasChildren(Conflict):
    code = "placement.resource_provider.cannot_delete_parent"
