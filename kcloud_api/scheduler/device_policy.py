"""Decides by which policy a flavor's devices are chosen: by its extra specs, or else as configured. Pure.

`kcloud:device_policy` names one of topology.py's policies. `hw:pci_numa_affinity_policy` has Nova's words:

`required`, `socket`   same-numa (one NUMA node is on one socket: stricter than Nova's `socket`, never looser)
`preferred`            pack
`legacy`               as if it were not said

Of both, ours decides where Nova's is a preference; where Nova's is a demand, ours may be stricter
(same-switch) and may not contradict it (spread).
"""

from collections.abc import Mapping

from kcloud_api.scheduler.topology import Policy
from kcloud_common.errors import BadRequest

OURS = "kcloud:device_policy"
NOVAS = "hw:pci_numa_affinity_policy"
KEYS = frozenset({OURS, NOVAS})

NOVA_WORDS: Mapping[str, Policy | None] = {
    "required": Policy.SAME_NUMA,
    "socket": Policy.SAME_NUMA,
    "preferred": Policy.PACK,
    "legacy": None,
}


def device_policy(extra_specs: Mapping[str, str], default: Policy = Policy.PACK) -> Policy:
    """BadRequest names the extra spec that is wrong."""
    ours = _ours(extra_specs)
    novas = _novas(extra_specs)
    if novas is not None and novas.is_hard:
        if ours is Policy.SPREAD:
            demand = f"{NOVAS}={extra_specs[NOVAS]}"
            raise BadRequest(f"Extra spec {OURS} cannot be 'spread' together with {demand}.", field=OURS)
        return Policy.SAME_SWITCH if ours is Policy.SAME_SWITCH else novas
    return ours or novas or default


def _ours(extra_specs: Mapping[str, str]) -> Policy | None:
    value = extra_specs.get(OURS)
    if value is None:
        return None
    if value not in set(Policy):
        words = ", ".join(f"'{policy}'" for policy in Policy)
        raise BadRequest(f"Extra spec {OURS} must be one of {words}.", field=OURS)
    return Policy(value)


def _novas(extra_specs: Mapping[str, str]) -> Policy | None:
    value = extra_specs.get(NOVAS)
    if value is None:
        return None
    if value not in NOVA_WORDS:
        words = ", ".join(f"'{word}'" for word in NOVA_WORDS)
        raise BadRequest(f"Extra spec {NOVAS} must be one of {words}.", field=NOVAS)
    return NOVA_WORDS[value]
