"""Configuration group `scheduler`: which of several possible hosts and devices a server gets."""

from dataclasses import dataclass

from kcloud_common.config import option


@dataclass(frozen=True, slots=True)
class SchedulerConf:
    device_policy: str = option(
        "pack",
        help="How a server's devices are chosen on its host, where its flavor does not say it: near each\n"
        "other, apart, all below one PCIe switch or not at all, all on one NUMA node or not at all.",
        choices=("pack", "spread", "same-switch", "same-numa"),
    )
