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
INVENTORIES_UPDATE = "placement:resource_providers:inventories:update"
PROVIDER_USAGES = "placement:resource_providers:usages"
PROVIDER_TRAITS_LIST = "placement:resource_providers:traits:list"
PROVIDER_TRAITS_UPDATE = "placement:resource_providers:traits:update"
PROVIDER_TRAITS_DELETE = "placement:resource_providers:traits:delete"
PROVIDER_ALLOCATIONS = "placement:resource_providers:allocations:list"
ALLOCATIONS_LIST = "placement:allocations:list"
ALLOCATIONS_UPDATE = "placement:allocations:update"
ALLOCATIONS_DELETE = "placement:allocations:delete"
CANDIDATES_LIST = "placement:allocation_candidates:list"
CLASSES_LIST = "placement:resource_classes:list"
CLASSES_SHOW = "placement:resource_classes:show"
CLASSES_UPDATE = "placement:resource_classes:update"
TRAITS_LIST = "placement:traits:list"
TRAITS_SHOW = "placement:traits:show"
TRAITS_UPDATE = "placement:traits:update"
USAGES = "placement:usages"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(PROVIDERS_LIST, ADMIN_OR_SERVICE, "List resource providers."),
    PolicyRule(PROVIDERS_CREATE, ADMIN_OR_SERVICE, "Create a resource provider."),
    PolicyRule(PROVIDERS_SHOW, ADMIN_OR_SERVICE, "Show a resource provider."),
    PolicyRule(PROVIDERS_UPDATE, ADMIN_OR_SERVICE, "Rename or move a resource provider."),
    PolicyRule(PROVIDERS_DELETE, ADMIN_OR_SERVICE, "Delete a resource provider."),
    PolicyRule(INVENTORIES_LIST, ADMIN_OR_SERVICE, "List a provider's inventories."),
    PolicyRule(INVENTORIES_SHOW, ADMIN_OR_SERVICE, "Show a provider's inventory of one class."),
    PolicyRule(INVENTORIES_UPDATE, ADMIN_OR_SERVICE, "Replace a provider's inventories."),
    PolicyRule(PROVIDER_USAGES, ADMIN_OR_SERVICE, "Show what of a provider is used."),
    PolicyRule(PROVIDER_TRAITS_LIST, ADMIN_OR_SERVICE, "List a provider's traits."),
    PolicyRule(PROVIDER_TRAITS_UPDATE, ADMIN_OR_SERVICE, "Replace a provider's traits."),
    PolicyRule(PROVIDER_TRAITS_DELETE, ADMIN_OR_SERVICE, "Remove a provider's traits."),
    PolicyRule(PROVIDER_ALLOCATIONS, ADMIN_OR_SERVICE, "List who uses a provider."),
    PolicyRule(ALLOCATIONS_LIST, ADMIN_OR_SERVICE, "Show what a consumer uses."),
    PolicyRule(ALLOCATIONS_UPDATE, ADMIN_OR_SERVICE, "Set what a consumer uses."),
    PolicyRule(ALLOCATIONS_DELETE, ADMIN_OR_SERVICE, "Give back what a consumer uses."),
    PolicyRule(CANDIDATES_LIST, ADMIN_OR_SERVICE, "Find where a request fits."),
    PolicyRule(CLASSES_LIST, ADMIN_OR_SERVICE, "List resource classes."),
    PolicyRule(CLASSES_SHOW, ADMIN_OR_SERVICE, "Show a resource class."),
    PolicyRule(CLASSES_UPDATE, ADMIN_OR_SERVICE, "Make a resource class."),
    PolicyRule(TRAITS_LIST, ADMIN_OR_SERVICE, "List traits."),
    PolicyRule(TRAITS_SHOW, ADMIN_OR_SERVICE, "Ask whether a trait exists."),
    PolicyRule(TRAITS_UPDATE, ADMIN_OR_SERVICE, "Make a trait."),
    PolicyRule(USAGES, OWN_USAGES, "Show what a project uses."),
)
