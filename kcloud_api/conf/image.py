"""Configuration group `image`: where image data is kept and what may be put there."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class ImageConf:
    store_dir: str = option("/var/lib/kcloud/images", help="Folder of the image data, one file per image.")
    max_size_gib: int = option(
        1024, help="Largest image in GiB; an upload that grows past it is refused (413).", minimum=1
    )
    disk_formats: tuple[str, ...] = option(
        ("qcow2", "raw"), help="Disk formats that may be registered. Hosts boot qcow2 and raw."
    )
