"""Who may do what with images. Which images exist for whom is decided before (kcloud_api.image.service)."""

from kcloud_api.http.policy import PolicyRule

OWNER_READS = "role:admin or (role:reader and project_id:%(project_id)s)"
OWNER_WRITES = "role:admin or (role:member and project_id:%(project_id)s)"

RULES: tuple[PolicyRule, ...] = (
    PolicyRule("get_images", "role:admin or role:reader", "List images."),
    PolicyRule("get_image", "role:admin or role:reader", "Show an image that one may see."),
    PolicyRule("download_image", "role:admin or role:member or role:reader", "Read the data of one."),
    PolicyRule("add_image", OWNER_WRITES, "Register an image for a project."),
    PolicyRule("modify_image", OWNER_WRITES, "Change an image."),
    PolicyRule("upload_image", OWNER_WRITES, "Give an image its data."),
    PolicyRule("delete_image", OWNER_WRITES, "Delete an image."),
    PolicyRule("publicize_image", "role:admin", "Make an image public."),
    PolicyRule("communitize_image", OWNER_WRITES, "Make an image a community image."),
    PolicyRule("deactivate", "role:admin", "Deny the use of an image's data."),
    PolicyRule("reactivate", "role:admin", "Allow it again."),
    PolicyRule("get_members", OWNER_READS, "List the projects that an image is shared with."),
)
