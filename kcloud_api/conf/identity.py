"""Configuration group `identity`: how long tokens live and how passwords are kept."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class IdentityConf:
    token_seconds: int = option(3600, help="Seconds that a new token lives.", minimum=1, maximum=31_536_000)
    expired_window_seconds: int = option(
        172_800, help="How long after its end a token may still be looked at with allow_expired.", minimum=0
    )
    password_rounds: int = option(
        12, help="bcrypt's cost; each step doubles the time of a login.", minimum=4, maximum=31
    )
