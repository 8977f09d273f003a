"""Who may look at devices."""

from kcloud_api.http.policy import PolicyRule

DEVICES_LIST = "kcloud:devices:list"
DEVICES_SHOW = "kcloud:devices:show"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(DEVICES_LIST, "role:admin", "List the devices of all hosts, with who holds them."),
    PolicyRule(DEVICES_SHOW, "role:admin", "Show one device, with who holds it."),
)
"""For operators: a tenant sees only its own servers (invariant I5)."""
