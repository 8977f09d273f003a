"""Decides whether an image fits a flavor, in Nova's words. Pure."""

from typing import Protocol

from kcloud_api.compute.records import FlavorSnapshot
from kcloud_common.errors import BadRequest

GIB = 1024**3


class ImageShape(Protocol):
    """What of an image matters here."""

    @property
    def size(self) -> int | None: ...
    @property
    def virtual_size(self) -> int | None: ...
    @property
    def min_disk_gib(self) -> int: ...
    @property
    def min_ram_mib(self) -> int: ...


def check_fit(flavor: FlavorSnapshot, image: ImageShape) -> None:
    """BadRequest when the flavor is too small. A flavor without a disk gets one of the image's size."""
    if flavor.ram_mib < image.min_ram_mib:
        raise BadRequest("Flavor's memory is too small for requested image.", field="flavorRef")
    if flavor.disk_gib == 0:
        return
    if flavor.disk_gib < image.min_disk_gib:
        raise BadRequest(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is "
            f"{flavor.disk_gib * GIB} bytes, minimum size is {image.min_disk_gib * GIB} bytes.",
            field="flavorRef",
        )
    size = max(image.size or 0, image.virtual_size or 0)
    if size > flavor.disk_gib * GIB:
        raise BadRequest(
            "Flavor's disk is too small for requested image. Flavor disk is "
            f"{flavor.disk_gib * GIB} bytes, image is {size} bytes.",
            field="flavorRef",
        )
