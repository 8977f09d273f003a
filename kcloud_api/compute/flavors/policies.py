"""Who may do what with flavors. Any project lists and shows those that it may use."""

from kcloud_api.http.policy import PolicyRule

ADMIN = "role:admin"
READER = "role:admin or role:reader"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule("os_compute_api:os-flavor-manage:create", ADMIN, "Create a flavor."),
    PolicyRule("os_compute_api:os-flavor-manage:update", ADMIN, "Change a flavor's description."),
    PolicyRule("os_compute_api:os-flavor-manage:delete", ADMIN, "Delete a flavor."),
    PolicyRule("os_compute_api:os-flavor-extra-specs:index", READER, "List extra specs."),
    PolicyRule("os_compute_api:os-flavor-extra-specs:show", READER, "Show an extra spec."),
    PolicyRule("os_compute_api:os-flavor-extra-specs:create", ADMIN, "Add extra specs."),
    PolicyRule("os_compute_api:os-flavor-extra-specs:update", ADMIN, "Change an extra spec."),
    PolicyRule("os_compute_api:os-flavor-extra-specs:delete", ADMIN, "Remove an extra spec."),
    PolicyRule("os_compute_api:os-flavor-access", ADMIN, "List who may use a private flavor."),
    PolicyRule("os_compute_api:os-flavor-access:add_tenant_access", ADMIN, "Let a project use one."),
    PolicyRule("os_compute_api:os-flavor-access:remove_tenant_access", ADMIN, "Let it no longer."),
)
