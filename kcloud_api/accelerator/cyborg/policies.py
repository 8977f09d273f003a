"""Who may do what with accelerators, by Cyborg's names.

Defaults are Cyborg's, with two exceptions for invariant I5. Its newest release lets a project's manager see
all hardware: here that is an operator's. And who owns an accelerator request is not told on which host it
was fulfilled, nor at which address there.
"""

from kcloud_api.http.policy import PolicyRule

ADMIN = "role:admin"
OWN = "role:admin or (role:reader and project_id:%(project_id)s)"
ANYBODY = "role:admin or role:reader or role:service"

DEVICES_LIST = "cyborg:device:get_all"
DEVICES_SHOW = "cyborg:device:get_one"
DEVICES_DISABLE = "cyborg:device:disable"
DEVICES_ENABLE = "cyborg:device:enable"
DEPLOYABLES_LIST = "cyborg:deployable:get_all"
DEPLOYABLES_SHOW = "cyborg:deployable:get_one"
DEPLOYABLES_PROGRAM = "cyborg:deployable:program"
ATTRIBUTES_LIST = "cyborg:attribute:get_all"
ATTRIBUTES_SHOW = "cyborg:attribute:get_one"
ATTRIBUTES_CREATE = "cyborg:attribute:create"
ATTRIBUTES_DELETE = "cyborg:attribute:delete"
PROFILES_LIST = "cyborg:device_profile:get_all"
PROFILES_SHOW = "cyborg:device_profile:get_one"
PROFILES_CREATE = "cyborg:device_profile:create"
PROFILES_DELETE = "cyborg:device_profile:delete"
ARQS_LIST = "cyborg:arq:get_all"
ARQS_LIST_ALL = "cyborg:arq:get_all:all_projects"
ARQS_SHOW = "cyborg:arq:get_one"
ARQS_HOST = "cyborg:arq:host_attributes"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(DEVICES_LIST, ADMIN, "List the cards of all hosts."),
    PolicyRule(DEVICES_SHOW, ADMIN, "Show one card."),
    PolicyRule(DEVICES_DISABLE, ADMIN, "Put all slices of a card into maintenance."),
    PolicyRule(DEVICES_ENABLE, ADMIN, "Put all slices of a card back into use."),
    PolicyRule(DEPLOYABLES_LIST, ADMIN, "List what of the cards is handed out."),
    PolicyRule(DEPLOYABLES_SHOW, ADMIN, "Show what of a card is handed out."),
    PolicyRule(DEPLOYABLES_PROGRAM, ADMIN, "Program an FPGA: kcloud has none, and says so."),
    PolicyRule(ATTRIBUTES_LIST, ADMIN, "List the cards' resource classes and traits."),
    PolicyRule(ATTRIBUTES_SHOW, ADMIN, "Show a resource class or a trait of a card."),
    PolicyRule(ATTRIBUTES_CREATE, ADMIN, "Add an attribute: hosts report them, and the answer says so."),
    PolicyRule(ATTRIBUTES_DELETE, ADMIN, "Delete an attribute: hosts report them, and the answer says so."),
    PolicyRule(PROFILES_LIST, ANYBODY, "List device profiles."),
    PolicyRule(PROFILES_SHOW, ANYBODY, "Show a device profile."),
    PolicyRule(PROFILES_CREATE, ADMIN, "Create a device profile."),
    PolicyRule(PROFILES_DELETE, ADMIN, "Delete a device profile."),
    PolicyRule(ARQS_LIST, OWN, "List the accelerators of the project's servers."),
    PolicyRule(ARQS_LIST_ALL, ADMIN, "List the accelerators of all servers."),
    PolicyRule(ARQS_SHOW, OWN, "Show an accelerator of a server of the project."),
    PolicyRule(ARQS_HOST, ADMIN, "See on which host, card and address an accelerator is."),
)
