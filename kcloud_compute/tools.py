"""Runs the two outside tools that the agent needs, qemu-img and an ISO writer, with deadlines."""

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


ISO_WRITER = "genisoimage"
_SAME_OPTIONS = {ISO_WRITER: ("xorriso", "-as", "mkisofs")}
"""What takes the same options, for hosts that have only that."""


def run(command: Sequence[str]) -> bytes:
    """Raises ToolFailed or ToolMissing. No shell, nothing on stdin."""
    try:
        done = _run(command)
    except FileNotFoundError as error:
        others = _SAME_OPTIONS.get(command[0], ())
        try:
            if not others:
                raise
            done = _run((*others, *command[1:]))
        except FileNotFoundError:
            names = " or ".join((command[0], *others[:1]))
            raise ToolMissing(f"{names} is not installed on this host") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-500:]
        raise ToolFailed(f"{command[0]} ended with {done.returncode}: {words}")
    return done.stdout


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - commands are built here from UUIDs and digests
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(f"{command[0]} was not done after {_DEADLINE:.0f} s") from error
