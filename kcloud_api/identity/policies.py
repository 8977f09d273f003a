"""Who may do what in identity."""

from kcloud_api.http.policy import PolicyRule

ADMIN = "role:admin"
SELF = f"{ADMIN} or user_id:%(user_id)s"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule("identity:validate_token", f"role:service or {SELF}", "Look at a token."),
    PolicyRule("identity:revoke_token", SELF, "End a token."),
    PolicyRule("identity:list_domains", ADMIN, "List domains."),
    PolicyRule(
        "identity:get_domain", f"{SELF} or domain_id:%(domain_id)s", "Show a domain (its own users may)."
    ),
    PolicyRule("identity:list_projects", ADMIN, "List all projects."),
    PolicyRule("identity:get_project", f"{ADMIN} or project_id:%(project_id)s", "Show a project."),
    PolicyRule("identity:create_project", ADMIN, "Create a project."),
    PolicyRule("identity:update_project", ADMIN, "Change a project."),
    PolicyRule("identity:delete_project", ADMIN, "Delete a project."),
    PolicyRule("identity:list_user_projects", SELF, "List the projects of a user."),
    PolicyRule("identity:list_users", ADMIN, "List users."),
    PolicyRule("identity:get_user", SELF, "Show a user."),
    PolicyRule("identity:create_user", ADMIN, "Create a user."),
    PolicyRule("identity:update_user", ADMIN, "Change a user."),
    PolicyRule("identity:delete_user", ADMIN, "Delete a user."),
    PolicyRule("identity:list_roles", ADMIN, "List roles."),
    PolicyRule("identity:get_role", ADMIN, "Show a role."),
    PolicyRule("identity:create_role", ADMIN, "Create a role."),
    PolicyRule("identity:delete_role", ADMIN, "Delete a role."),
    PolicyRule("identity:list_role_assignments", ADMIN, "List who holds which role where."),
    PolicyRule("identity:list_grants", ADMIN, "List the roles of a user somewhere."),
    PolicyRule("identity:check_grant", ADMIN, "Ask whether a user holds a role somewhere."),
    PolicyRule("identity:create_grant", ADMIN, "Give a role to a user."),
    PolicyRule("identity:revoke_grant", ADMIN, "Take a role from a user."),
    PolicyRule("identity:list_services", ADMIN, "List the services of the catalog."),
    PolicyRule("identity:get_service", ADMIN, "Show a service of the catalog."),
    PolicyRule("identity:list_endpoints", ADMIN, "List endpoints."),
    PolicyRule("identity:get_endpoint", ADMIN, "Show an endpoint."),
    PolicyRule("identity:list_regions", "", "List regions."),
    PolicyRule("identity:get_region", "", "Show a region."),
)
