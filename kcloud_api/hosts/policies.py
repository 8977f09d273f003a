"""Who may do what with hosts."""

from kcloud_api.http.policy import PolicyRule

ENROL = "kcloud:hosts:enrol"
READ = "kcloud:hosts:read"
CHANGE = "kcloud:hosts:change"
HYPERVISORS = "os_compute_api:os-hypervisors:list"
SERVICES = "os_compute_api:os-services:list"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(ENROL, "role:admin", "Make a token with which a machine becomes a host."),
    PolicyRule(READ, "role:admin", "List and show hosts."),
    PolicyRule(CHANGE, "role:admin", "Enable, disable and delete hosts."),
    PolicyRule(HYPERVISORS, "role:admin", "List and show hypervisors."),
    PolicyRule(SERVICES, "role:admin", "List compute services."),
)
