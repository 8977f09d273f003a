"""Whether KVM works here, found by trying: boots kvm_trial with a deadline.

A /dev/kvm may exist and be useless (a machine that is itself a guest of a host without nested
virtualisation, or of one that lets only its own kernels run): guests then hang, and nothing says why.
"""

import logging
import subprocess
import tempfile
import time
from pathlib import Path

from hypervisor_drivers.libvirt.capabilities import HostXml
from hypervisor_drivers.libvirt.kvm_trial import EXIT_CODE, FIRMWARE

_DEADLINE_SECONDS = 20.0
"""A working KVM needs a tenth of a second, one inside an emulated machine three; the rest is for load."""

_KVM = Path("/dev/kvm")
_LOG = logging.getLogger(__name__)


def working_virt_type(host: HostXml) -> str:
    """`kvm` or `qemu`. Libvirt's own word counts only when it says no."""
    if "kvm" not in host.virt_types or not _KVM.exists():
        return "qemu"
    if host.arch != "x86_64":
        return "kvm"  # the trial guest speaks x86 only
    started = time.monotonic()
    failure = trial_boot(host.emulators[host.arch], accelerator="kvm", cpu="host")
    if failure is None:
        return "kvm"
    seconds = round(time.monotonic() - started, 1)
    _LOG.warning("/dev/kvm is there but boots no guest (%s, after %s s): using emulation", failure, seconds)
    return "qemu"


def trial_boot(
    emulator: str, *, accelerator: str, cpu: str, deadline_seconds: float = _DEADLINE_SECONDS
) -> str | None:
    """None when the trial guest came to its end, else what went wrong."""
    with tempfile.TemporaryDirectory(prefix="kcloud-trial-") as folder:
        firmware, errors = Path(folder) / "firmware", Path(folder) / "errors"
        firmware.write_bytes(FIRMWARE)
        with errors.open("wb") as stderr:
            try:
                emulation = subprocess.Popen(  # noqa: S603 - libvirt's own emulator, our arguments
                    _command(emulator, accelerator, cpu, firmware), stdin=subprocess.DEVNULL, stderr=stderr
                )
            except OSError as error:
                return f"cannot run {emulator}: {error.strerror}"
            code = _exit_code(emulation, deadline_seconds)
        if code is None:
            return f"the trial guest hung for {deadline_seconds:g} s"
        return None if code == EXIT_CODE else f"code {code}: {errors.read_text(errors='replace').strip()}"


def _command(emulator: str, accelerator: str, cpu: str, firmware: Path) -> list[str]:
    machine = ["-machine", "q35", "-accel", accelerator, "-cpu", cpu, "-m", "64"]
    quiet = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    return [
        *(emulator, *machine, *quiet),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-bios", str(firmware)),
    ]


def _exit_code(emulation: subprocess.Popen[bytes], deadline_seconds: float) -> int | None:
    try:
        return emulation.wait(deadline_seconds)
    except subprocess.TimeoutExpired:
        emulation.kill()
        emulation.wait()
        return None
