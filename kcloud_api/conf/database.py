"""Configuration group `database`."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class DatabaseConf:
    url: str = option(
        "sqlite:////var/lib/kcloud/kcloud.db",
        help="Where everything is kept: sqlite:////path, or postgresql+psycopg://user:password@host/name.",
        secret=True,
    )
