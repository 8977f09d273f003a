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
    cors_allowed_origins: tuple[str, ...] = option(
        (), help="Origins of web pages that may call the API from a browser; none: it answers without CORS."
    )
    cors_allow_headers: tuple[str, ...] = option(
        ("openstack-api-version", "x-auth-token", "content-type"),
        help="Headers that such a page may send.",
    )
