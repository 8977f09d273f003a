"""Configuration group `hosts`: what the control plane expects of its hosts."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class HostsConf:
    down_after: float = option(
        75.0,
        help="A host that is silent for more seconds than this is down: it gets no new servers and keeps\n"
        "what it has. More than twice poll_wait, or a single lost poll would count.",
        minimum=1.0,
    )
    poll_wait: float = option(
        30.0,
        help="Most seconds that a host's request for its assignment is held open.",
        minimum=0.0,
        maximum=300.0,
    )
    touch_interval: float = option(
        10.0, help="A host's last contact is written at most this often, in seconds.", minimum=0.0
    )
    liveness_interval: float = option(
        5.0, help="How many seconds pass between two looks for silent hosts.", minimum=0.05
    )
    enrolment_ttl: int = option(3600, help="How many seconds an enrolment token is valid.", minimum=1)
