"""Who may do what in placement, by upstream's names and defaults: operators and services."""

from kcloud_api.http.policy import PolicyRule

ADMIN_OR_SERVICE = "role:admin or role:service"
OWN_USAGES = "role:admin or role:service or (role:reader and project_id:%(project_id)s)"

PROVIDERS_LIST = "placement:resource_providers:list"
PROVIDERS_CREATE = "placement:resource_providers:create"
PROVIDERS_SHOW = "placement:resource_providers:show"
PROVIDERS_UPDATE = "placement:resource_providers:update"
PROVIDERS_DELETE = "placement:resource_providers:delete"
INVENTORIES_LIST = "placement:resource_providers:inventories:list"
INVENTORIES_SHOW = "placement:resource_providers:inventories:show"
INVENTORIES_CREATE = "placement:resource_providers:inventories:create"
INVENTORIES_UPDATE = "placement:resource_providers:inventories:update"
INVENTORIES_DELETE = "placement:resource_providers:inventories:delete"
AGGREGATES_LIST = "placement:resource_providers:aggregates:list"
AGGREGATES_UPDATE = "placement:resource_providers:aggregates:update"
PROVIDER_USAGES = "placement:resource_providers:usages"
PROVIDER_TRAITS_LIST = "placement:resource_providers:traits:list"
PROVIDER_TRAITS_UPDATE = "placement:resource_providers:traits:update"
PROVIDER_TRAITS_DELETE = "placement:resource_providers:traits:delete"
PROVIDER_ALLOCATIONS = "placement:resource_providers:allocations:list"
ALLOCATIONS_MANAGE = "placement:allocations:manage"
ALLOCATIONS_LIST = "placement:allocations:list"
ALLOCATIONS_UPDATE = "placement:allocations:update"
ALLOCATIONS_DELETE = "placement:allocations:delete"
CANDIDATES_LIST = "placement:allocation_candidates:list"
CLASSES_LIST = "placement:resource_classes:list"
CLASSES_SHOW = "placement:resource_classes:show"
CLASSES_CREATE = "placement:resource_classes:create"
CLASSES_UPDATE = "placement:resource_classes:update"
CLASSES_DELETE = "placement:resource_classes:delete"
TRAITS_LIST = "placement:traits:list"
TRAITS_SHOW = "placement:traits:show"
TRAITS_UPDATE = "placement:traits:update"
TRAITS_DELETE = "placement:traits:delete"
USAGES = "placement:usages"
RESHAPE = "placement:reshaper:reshape"


def _rule(name: str, default: str, description: str) -> PolicyRule:
    """Upstream refuses tokens for the whole system, and so do we."""
    return PolicyRule(name, default, description, project_only=True)


RULES: tuple[PolicyRule, ...] = (
    _rule(PROVIDERS_LIST, ADMIN_OR_SERVICE, "List resource providers."),
    _rule(PROVIDERS_CREATE, ADMIN_OR_SERVICE, "Create a resource provider."),
    _rule(PROVIDERS_SHOW, ADMIN_OR_SERVICE, "Show a resource provider."),
    _rule(PROVIDERS_UPDATE, ADMIN_OR_SERVICE, "Rename or move a resource provider."),
    _rule(PROVIDERS_DELETE, ADMIN_OR_SERVICE, "Delete a resource provider."),
    _rule(INVENTORIES_LIST, ADMIN_OR_SERVICE, "List a provider's inventories."),
    _rule(INVENTORIES_SHOW, ADMIN_OR_SERVICE, "Show a provider's inventory of one class."),
    _rule(INVENTORIES_CREATE, ADMIN_OR_SERVICE, "Add an inventory to a provider."),
    _rule(INVENTORIES_UPDATE, ADMIN_OR_SERVICE, "Replace a provider's inventories."),
    _rule(INVENTORIES_DELETE, ADMIN_OR_SERVICE, "Remove a provider's inventories."),
    _rule(AGGREGATES_LIST, ADMIN_OR_SERVICE, "List the aggregates that a provider is in."),
    _rule(AGGREGATES_UPDATE, ADMIN_OR_SERVICE, "Put a provider into aggregates."),
    _rule(PROVIDER_USAGES, ADMIN_OR_SERVICE, "Show what of a provider is used."),
    _rule(PROVIDER_TRAITS_LIST, ADMIN_OR_SERVICE, "List a provider's traits."),
    _rule(PROVIDER_TRAITS_UPDATE, ADMIN_OR_SERVICE, "Replace a provider's traits."),
    _rule(PROVIDER_TRAITS_DELETE, ADMIN_OR_SERVICE, "Remove a provider's traits."),
    _rule(PROVIDER_ALLOCATIONS, ADMIN_OR_SERVICE, "List who uses a provider."),
    _rule(ALLOCATIONS_MANAGE, ADMIN_OR_SERVICE, "Set what several consumers use."),
    _rule(ALLOCATIONS_LIST, ADMIN_OR_SERVICE, "Show what a consumer uses."),
    _rule(ALLOCATIONS_UPDATE, ADMIN_OR_SERVICE, "Set what a consumer uses."),
    _rule(ALLOCATIONS_DELETE, ADMIN_OR_SERVICE, "Give back what a consumer uses."),
    _rule(CANDIDATES_LIST, ADMIN_OR_SERVICE, "Find where a request fits."),
    _rule(CLASSES_LIST, ADMIN_OR_SERVICE, "List resource classes."),
    _rule(CLASSES_SHOW, ADMIN_OR_SERVICE, "Show a resource class."),
    _rule(CLASSES_CREATE, ADMIN_OR_SERVICE, "Make a resource class."),
    _rule(CLASSES_UPDATE, ADMIN_OR_SERVICE, "Make a resource class by its name, or rename one."),
    _rule(CLASSES_DELETE, ADMIN_OR_SERVICE, "Remove a resource class."),
    _rule(TRAITS_LIST, ADMIN_OR_SERVICE, "List traits."),
    _rule(TRAITS_SHOW, ADMIN_OR_SERVICE, "Ask whether a trait exists."),
    _rule(TRAITS_UPDATE, ADMIN_OR_SERVICE, "Make a trait."),
    _rule(TRAITS_DELETE, ADMIN_OR_SERVICE, "Remove a trait."),
    _rule(USAGES, OWN_USAGES, "Show what a project uses."),
    _rule(RESHAPE, "role:service", "Move inventories and allocations between providers at once."),
)
