"""Configuration group `bus`."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class BusConf:
    url: str = option(
        "memory://",
        help="How processes wake each other: memory:// (one process), or amqp://user:password@host/vhost.\n"
        "Only wake-ups travel on it. Without it loops and hosts fall back to their timers.",
        secret=True,
    )
