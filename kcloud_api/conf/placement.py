"""Configuration group `placement`."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class PlacementConf:
    auth_strategy: str = option(
        "keystone",
        help="Who says who a caller is. noauth2 believes every header, for trials and tests;\n"
        "with it kcloud-api listens on loopback only.",
        choices=("keystone", "noauth2"),
    )
