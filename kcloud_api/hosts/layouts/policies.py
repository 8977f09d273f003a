"""Who may say how cards are cut."""

from kcloud_api.http.policy import PolicyRule

READ = "kcloud:layouts:read"
CHANGE = "kcloud:layouts:change"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(READ, "role:admin", "List and show layouts, their versions, and how hosts stand to them."),
    PolicyRule(CHANGE, "role:admin", "Make, change and delete layouts."),
)
