"""Runs the two outside tools that the agent needs, qemu-img and an ISO writer, with deadlines."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import Protocol

from kcloud_common.errors import PermanentError, TemporaryError

_DEADLINE = 120.0


class ToolFailed(TemporaryError):
    """The tool said no; its own words are in the message."""

    code = "tool_failed"


class ToolMissing(PermanentError):
    """The operator must install it."""

    code = "tool_missing"


class Run(Protocol):
    """Runs a command to its end and returns what it printed. Tests stand something else here."""

    def __call__(self, command: Sequence[str]) -> bytes: ...


def run(command: Sequence[str]) -> bytes:
    """Raises ToolFailed or ToolMissing. No shell, nothing on stdin."""
    try:
        done = subprocess.run(  # noqa: S603 - commands are built here from UUIDs and digests
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE, check=False
        )
    except FileNotFoundError as error:
        raise ToolMissing(f"{command[0]} is not installed on this host") from error
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{command[0]} was not done after {_DEADLINE:.0f} s") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise ToolFailed(f"{command[0]} ended with {done.returncode}: {words}")
    return done.stdout


def iso_writer() -> tuple[str, ...]:
    """The command that takes mkisofs' options, whichever is there."""
    for name, command in (("genisoimage", ("genisoimage",)), ("xorriso", ("xorriso", "-as", "mkisofs"))):
        if shutil.which(name):
            return command
    raise ToolMissing("neither genisoimage nor xorriso is installed on this host")
