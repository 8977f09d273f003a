"""Which tests run one after the other in one worker: `make test` has two (`-n 2 --dist loadscope`).

`--no-loadscope-reorder` keeps the order in which they are collected: what takes longest first.
"""

from xdist.scheduler import LoadScopeScheduling

MACHINE = "the machine"
ON_THE_MACHINE = ("tests/lab/", "tests/e2e/", "tests/contract/test_libvirt", "tests/contract/test_local")
"""They start hypervisors, and a lab host that is there once. They take longest, hence come first."""
BROKER = "the broker"
WITH_BROKER = ("tests/functional/test_rabbitmq.py", "tests/unit/test_bus.py")
SPREAD = ("tests/functional/test_agent_slice_crashes.py",)
"""Files whose tests share nothing, and take long."""


def scope_of(nodeid: str) -> str:
    """A file is one worker's, for its fixtures' sake."""
    if nodeid.startswith(ON_THE_MACHINE):
        return MACHINE
    if nodeid.startswith(WITH_BROKER):
        return BROKER
    return nodeid if nodeid.startswith(SPREAD) else nodeid.partition("::")[0]


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """xdist asks it where a test belongs."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
