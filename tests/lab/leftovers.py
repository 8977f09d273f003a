"""What a server that is gone must not have left."""

import re
from difflib import unified_diff

from tests.lab.control import Control
from tests.lab.machine import LabMachine


def assert_nothing_left(control: Control, lab: LabMachine, before: str) -> None:
    """The host's devices read as before, and neither it nor the control plane holds anything."""
    now = lab.view()
    assert now == before, "\n".join(unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0))
    assert lab.run("virsh", "list", "--all", "--name").split() == []
    assert control.allocations() == {}
    state = "/var/lib/kcloud/compute"
    assert lab.run("ls", f"{state}/servers", f"{state}/journal").split() == [
        f"{state}/journal:",
        f"{state}/servers:",
    ]
    links = lab.run("ip", "-o", "link")
    assert not re.search(r"\b(vnet|tap)\d+", links), links
