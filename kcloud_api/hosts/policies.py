"""Who may do what with hosts."""

from kcloud_api.http.policy import PolicyRule

ENROL = "kcloud:hosts:enrol"
READ = "kcloud:hosts:read"
CHANGE = "kcloud:hosts:change"
EXPLAIN = "kcloud:explain"
EXPLAIN_QUERY = "kcloud:explain:query"
EXPLAIN_HOSTS = "kcloud:explain:hosts"
HYPERVISORS = "os_compute_api:os-hypervisors:list"
SERVICES = "os_compute_api:os-services:list"

ANYBODY = "role:admin or role:reader or role:service"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(ENROL, "role:admin", "Make a token with which a machine becomes a host."),
    PolicyRule(READ, "role:admin", "List and show hosts."),
    PolicyRule(CHANGE, "role:admin", "Enable, disable and delete hosts."),
    PolicyRule(EXPLAIN, ANYBODY, "Ask why no host can serve a flavor: how many hosts lack what."),
    PolicyRule(EXPLAIN_QUERY, ANYBODY, "Ask the same of any request for resources."),
    PolicyRule(EXPLAIN_HOSTS, "role:admin", "See which hosts, with their amounts; ask about single hosts."),
    PolicyRule(HYPERVISORS, "role:admin", "List and show hypervisors."),
    PolicyRule(SERVICES, "role:admin", "List compute services."),
)
