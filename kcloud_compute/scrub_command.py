"""Runs the operator's own commands that clear a device's memory, or read back whether it is clear.

A command is a list of words, never a line for a shell. `{address}` in a word stands for a PCI function;
without it the addresses come last. Exit status 0 means done, anything else that the device is not clean.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from kcloud_common.errors import PermanentError

_PLACE = "{address}"
_MOST_WORDS = 500


class ScrubFailed(PermanentError):
    """The command said no, was not there, or took too long: the device is not known to be clean."""

    code = "scrub_failed"


@dataclass(frozen=True, slots=True)
class ScrubCommand:
    """Called with the addresses of a device's functions (vfio.sanitise.pipeline.Tool)."""

    words: tuple[str, ...]
    deadline: float
    """Seconds for each time that it is run."""

    def __call__(self, addresses: Sequence[str]) -> str:
        """What it printed last, as evidence. Once for each function where it names one, else once for all."""
        if any(_PLACE in word for word in self.words):
            runs = [tuple(word.replace(_PLACE, address) for word in self.words) for address in addresses]
        else:
            runs = [(*self.words, *addresses)]
        return "; ".join(self._run(command) for command in runs)

    def _run(self, command: Sequence[str]) -> str:
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own words, and addresses that were scanned
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ScrubFailed(f"{command[0]} can't be run: {error}") from error
        with process:
            try:
                output, _ = process.communicate(timeout=self.deadline)
            except subprocess.TimeoutExpired as error:
                raise ScrubFailed(f"{command[0]} was not done after {self.deadline:g} s") from error
            finally:
                # With all that it has started: nothing may touch the device after its verdict.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        said = output.decode(errors="replace").strip()[-_MOST_WORDS:]
        if process.returncode:
            raise ScrubFailed(f"{command[0]} ended with {process.returncode}: {said}")
        return said or f"{command[0]} ended with 0"


def parse(line: str, deadline: float) -> tuple[str, ScrubCommand]:
    """From an option like `vendor:wipe=/usr/sbin/wipe --device {address}`: the catalogue's name of the
    method, and its command. ValueError says what is wrong with it."""
    name, separator, rest = line.partition("=")
    words = tuple(shlex.split(rest))
    if not separator or not name.strip() or not words:
        raise ValueError(f"want METHOD=COMMAND, not {line!r}")
    if not words[0].startswith("/"):
        raise ValueError(f"want the command's whole path, not {words[0]!r}")
    return name.strip(), ScrubCommand(words, deadline)
