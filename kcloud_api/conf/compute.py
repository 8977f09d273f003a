"""Configuration group `compute`: servers and how they are placed."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class ComputeConf:
    max_limit: int = option(
        1000, help="Most servers that one page of a list holds.", minimum=1, maximum=10000
    )
    max_servers_per_request: int = option(
        100, help="Most servers that one POST /servers makes (max_count).", minimum=1, maximum=10000
    )
    console_wait: float = option(
        5.0,
        help="How many seconds a request for a console log waits for the host to send a fresh one.",
        minimum=0.0,
        maximum=60.0,
    )
    place_interval: float = option(
        2.0,
        help="How many seconds pass between two looks for servers to place when no wake-up arrives.",
        minimum=0.05,
    )
