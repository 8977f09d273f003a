"""Who may do what with servers, by Nova's names and with Nova's defaults."""

from kcloud_api.http.policy import PolicyRule

ADMIN = "role:admin"
MEMBER = "role:admin or (role:member and project_id:%(project_id)s)"
READER = "role:admin or (role:reader and project_id:%(project_id)s)"

LIST = "os_compute_api:servers:index"
LIST_DETAIL = "os_compute_api:servers:detail"
LIST_ALL = "os_compute_api:servers:index:get_all_tenants"
LIST_DETAIL_ALL = "os_compute_api:servers:detail:get_all_tenants"
SHOW = "os_compute_api:servers:show"
CREATE = "os_compute_api:servers:create"
CREATE_WITHOUT_DISK = "os_compute_api:servers:create:zero_disk_flavor"
UPDATE = "os_compute_api:servers:update"
DELETE = "os_compute_api:servers:delete"
START = "os_compute_api:servers:start"
STOP = "os_compute_api:servers:stop"
REBOOT = "os_compute_api:servers:reboot"
CONSOLE_OUTPUT = "os_compute_api:os-console-output"
METADATA = "os_compute_api:server-metadata"
METADATA_CHANGE = "os_compute_api:server-metadata:update_all"
ACTIONS = "os_compute_api:os-instance-actions:list"
ACTION = "os_compute_api:os-instance-actions:show"
HOST_ATTRIBUTES = "os_compute_api:os-extended-server-attributes"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule(LIST, READER, "List servers."),
    PolicyRule(LIST_DETAIL, READER, "List servers with their details."),
    PolicyRule(LIST_ALL, ADMIN, "List the servers of all projects."),
    PolicyRule(LIST_DETAIL_ALL, ADMIN, "List the servers of all projects with their details."),
    PolicyRule(SHOW, READER, "Show a server."),
    PolicyRule(CREATE, MEMBER, "Create a server."),
    # To Nova only admins may: the disk gets the image's size, whatever that is, and no host accounts for it.
    # Here flavors without a disk are in ordinary use, and whoever offers none of them need do nothing.
    PolicyRule(CREATE_WITHOUT_DISK, MEMBER, "Create a server of a flavor without a disk."),
    PolicyRule(UPDATE, MEMBER, "Rename a server."),
    PolicyRule(DELETE, MEMBER, "Delete a server."),
    PolicyRule(START, MEMBER, "Start a server."),
    PolicyRule(STOP, MEMBER, "Stop a server."),
    PolicyRule(REBOOT, MEMBER, "Reboot a server."),
    PolicyRule(CONSOLE_OUTPUT, MEMBER, "Read a server's console log."),
    PolicyRule(METADATA, READER, "Read a server's metadata."),
    PolicyRule(METADATA_CHANGE, MEMBER, "Change a server's metadata."),
    PolicyRule(ACTIONS, READER, "List what was done to a server."),
    PolicyRule(ACTION, READER, "Show one thing that was done to a server, with its steps."),
    PolicyRule(HOST_ATTRIBUTES, ADMIN, "See which host a server is on, and its faults' details."),
)
