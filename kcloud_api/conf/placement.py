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
    snapshot: bool = option(
        True,
        help="Whether queries are answered from a copy of all providers in memory, made by the first query\n"
        "and kept current. Without it each is answered by the database, more slowly and with less memory:\n"
        "ten thousand hosts of eleven providers take some twenty megabytes in each process.",
    )
    journal_retention: float = option(
        3600.0,
        help="Seconds for which the database remembers which providers changed. A process that asked for\n"
        "nothing for half as long reads all providers anew.",
        minimum=60.0,
    )
    prune_interval: float = option(
        300.0,
        help="Seconds between two looks of the controller for what the database may forget.",
        minimum=1.0,
    )
    randomize_allocation_candidates: bool = option(
        False,
        help="Whether allocation candidates come in another order each time, hosts and ways to serve on\n"
        "each, so that clients who all take the first do not meet. Otherwise in the order of hosts.",
    )
    max_allocation_candidates: int = option(
        100_000,
        help="The most candidates that one answer holds, whatever the client's limit: eight groups that\n"
        "want one of eight devices each are served in 40,320 ways on each host. -1: no bound.",
        minimum=-1,
    )
