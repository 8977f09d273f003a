"""What a host has of accelerators that no server can be given: a count, without names."""

from pydantic import Field

from kcloud_common.wire.base import Amount, Wire


class ResourceReport(Wire):
    """So many of them: placement shows what there is, all of it reserved. It gives its host no traits: a
    server that asked for one would run there and be without."""

    resource_class: str = Field(pattern=r"^CUSTOM_[A-Z0-9_]{1,248}$")
    total: Amount
    declared: bool = False
    """An operator said so; the kernel did not show it."""
