"""Who may do what with key pairs: their user, and admins for anybody."""

from kcloud_api.http.policy import PolicyRule

OWN = "role:admin or user_id:%(user_id)s"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule("os_compute_api:os-keypairs:index", OWN, "List a user's key pairs."),
    PolicyRule("os_compute_api:os-keypairs:show", OWN, "Show a key pair."),
    PolicyRule("os_compute_api:os-keypairs:create", OWN, "Import a public key."),
    PolicyRule("os_compute_api:os-keypairs:delete", OWN, "Delete a key pair."),
)
