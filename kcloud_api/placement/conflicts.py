"""The refusals that clients of the Placement API, or its own routes, tell apart."""

from kcloud_common.errors import BadRequest, Conflict


class InventoryInUse(Conflict):
    code = "placement.inventory.inuse"


class ProviderInUse(Conflict):
    code = "placement.resource_provider.inuse"


class ProviderHasChildren(Conflict):
    code = "placement.resource_provider.cannot_delete_parent"


class UnknownProvider(BadRequest):
    """A request names a provider that does not exist."""


class UnknownClass(BadRequest):
    """A request names a resource class that does not exist."""


class ReshapedUnknownProvider(BadRequest):
    """The same of inventories that shall be replaced: there upstream gives it a code."""

    code = "placement.resource_provider.not_found"
