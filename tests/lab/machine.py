"""The lab host as tests see it: commands, Python with kcloud's packages, PCI devices as sysfs shows them."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcloud_cli.enrolment.bundle import bundle
from kcloud_cli.enrolment.enrol import FILES
from kcloud_cli.enrolment.remote import Login, Remote
from kcloud_cli.lab import host, monitor
from kcloud_cli.lab.host import LabHost
from kcloud_common.errors import KcloudError

PROCESSORS = 2
SCRIPTS = Path(__file__).parent / "scripts"
VIEW = r"""
for device in /sys/bus/pci/devices/*; do
    driver=$([ -e $device/driver ] && readlink $device/driver)
    read -r override < $device/driver_override
    vfs=$([ -e $device/sriov_numvfs ] && cat $device/sriov_numvfs)
    group=$([ -e $device/iommu_group ] && ls -x -w 0 $device/iommu_group/devices)
    echo "${device##*/} driver=${driver##*/} override=$override group=[$group] vfs=$vfs"
done
"""


@dataclass
class LabMachine:
    """A running lab host and a connection to it."""

    host: LabHost
    remote: Remote

    def run(self, *words: str, timeout: float = 300) -> str:
        return self.remote.run(words, timeout=timeout)

    def install_agent(self) -> None:
        """kcloud's packages, as an enrolment brings them."""
        release = bundle()
        unpack = (FILES / "unpack.sh").read_text()
        self.remote.run(["sh", "-c", unpack, "unpack", release.digest, "/usr/bin/python3"], data=release.data)

    def script(self, name: str, *words: str) -> dict[str, Any]:
        """What the script prints as JSON; it runs on the lab host with kcloud's packages."""
        command = ["env", "PYTHONPATH=/opt/kcloud/current", "python3", "-", *words]
        answer: dict[str, Any] = json.loads(self.remote.run(command, data=(SCRIPTS / name).read_bytes()))
        return answer

    def evidence(self) -> str:
        """Processors as QEMU shows them; load, kernel log, and of each guest what it does and its console."""
        parts = []
        try:
            parts += [f"processors, seen from outside (stuck: {self.is_stuck()}):", self.processors()]
            script = (SCRIPTS / "evidence.sh").read_bytes()
            parts += self.remote.attempt(["bash"], data=script, timeout=120)[1:]
        except Exception as error:  # whatever is wrong with the host must not hide what failed
            parts.append(f"the lab host does not answer: {error}")
        return "\n".join(parts)

    def processors(self) -> str:
        """Of each processor RIP, flags, HLT and the interrupts that wait for it (IRR) or are served (ISR)."""
        shown = self._monitor("info registers -a")
        shown += "".join(self._monitor(f"info lapic {processor}") for processor in range(PROCESSORS))
        return "\n".join(line.strip() for line in shown.splitlines() if re.match(r"[RE]IP|IRR|ISR", line))

    def answers(self) -> bool:
        try:
            self.run("true", timeout=60)
        except KcloudError:
            return False
        return True

    def is_stuck(self) -> bool:
        """Whether a processor halts for ten seconds and takes none of the interrupts that wait for it.

        Seen on QEMU 10.0: its emulation of SVM had left a processor's global interrupt flag off after VMEXIT.
        """
        for look in range(6):
            if look:
                time.sleep(2)
            shown = self.processors()
            halted = re.findall(r"HLT=(\d)", shown)
            waiting = re.findall(r"^IRR\s+(.*)$", shown, re.M)
            if ("1", True) not in [(h, irr != "(none)") for h, irr in zip(halted, waiting, strict=True)]:
                return False
        return True

    def _monitor(self, command: str) -> str:
        words = {"command-line": command}
        return str(monitor.execute(self.host.files.monitor, "human-monitor-command", **words))

    def view(self) -> str:
        """Every PCI function's driver, override, group and virtual functions, as text. A group is told by its
        members: its number is of one boot only, and of who came first in that."""
        return self.run("sh", "-c", VIEW)

    def tree(self) -> dict[str, str]:
        """Every attribute of every PCI function, and the mediated devices."""
        source = (Path(__file__).parent / "host_tree.py").read_bytes()
        told = b"\nimport json\nprint(json.dumps(tree()))\n"
        answer: dict[str, str] = json.loads(self.remote.run(["python3", "-"], data=source + told))
        return answer

    def driver(self, address: str) -> str:
        line = next(line for line in self.view().splitlines() if line.startswith(address))
        return line.split("driver=")[1].split(" ")[0]

    def agent(self) -> int:
        """The process that is the agent now: what its supervisor has started."""
        supervisor = self.run("cat", "/run/kcloud-supervise.pid").strip()
        return int(self.run("pgrep", "-P", supervisor, "-f", "kcloud.compute"))

    def boot_id(self) -> str:
        return self.run("cat", "/proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """As after a power cut; connects anew."""
        self.remote.__exit__(None, None, None)
        self.host = host.reboot(self.host)
        self.remote = connect(self.host)


def connect(lab: LabHost) -> Remote:
    return Remote(Login("root", "127.0.0.1", lab.ssh_port, lab.key)).__enter__()
