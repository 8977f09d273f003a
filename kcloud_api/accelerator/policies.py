"""Who may look at devices, and who may say what becomes of them."""

from kcloud_api.http.policy import PolicyRule

DEVICES_LIST = "kcloud:devices:list"
DEVICES_SHOW = "kcloud:devices:show"
DEVICES_CHANGE = "kcloud:devices:change"
CARDS_LIST = "kcloud:cards:list"
CERTIFICATES = "kcloud:certificates:list"
CERTIFICATES_ALL = "kcloud:certificates:list:all_projects"
SLICES = "kcloud:slices:list"
KEYS = "kcloud:hosts:keys"

ANYBODY = "role:admin or role:reader or role:service"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(DEVICES_LIST, "role:admin", "List the devices of all hosts, with who holds them."),
    PolicyRule(DEVICES_SHOW, "role:admin", "Show one device, with who holds it."),
    PolicyRule(DEVICES_CHANGE, "role:admin", "Put devices into maintenance or quarantine, and release them."),
    PolicyRule(CARDS_LIST, "role:admin", "List the cards of all hosts, and what they can be cut into."),
    PolicyRule(CERTIFICATES, ANYBODY, "Read the certificates of the project's own leases."),
    PolicyRule(CERTIFICATES_ALL, "role:admin", "Read all certificates, whoever the leases were of."),
    PolicyRule(SLICES, ANYBODY, "List which sorts of slices there are."),
    PolicyRule(KEYS, "role:admin", "List the keys with which a host has signed certificates."),
)
"""Devices and hosts are for operators: a tenant sees only its own servers (invariant I5)."""
