"""QEMU's monitor: the few things that a running lab host is asked from outside."""

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

from kcloud_cli.lab.process import LabError


def execute(monitor: Path, verb: str, **arguments: str) -> object:
    """One QMP command and its answer; LabError when QEMU refuses or does not answer within ten seconds."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(10)
        try:
            channel.connect(str(monitor))
            lines = cast(BinaryIO, channel.makefile("rwb"))
            lines.readline()  # the greeting
            _ask(lines, "qmp_capabilities", {})
            return _ask(lines, verb, arguments)
        except OSError as error:
            raise LabError(f"the lab host's QEMU does not answer at {monitor}: {error}") from error


def forwarded_port(monitor: Path) -> int:
    """The loopback port that leads to the host's SSH."""
    table = execute(monitor, "human-monitor-command", **{"command-line": "info usernet"})
    found = re.search(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s", str(table))
    if not found:
        raise LabError(f"QEMU shows no forwarded port:\n{table}")
    return int(found.group(1))


def _ask(lines: BinaryIO, verb: str, arguments: Mapping[str, str]) -> object:
    lines.write(json.dumps({"execute": verb, "arguments": dict(arguments)}).encode() + b"\n")
    lines.flush()
    for line in lines:
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"QEMU refused {verb}: {answer['error'].get('desc')}")
        if "return" in answer:
            return cast(object, answer["return"])
    raise LabError(f"QEMU ended before it answered {verb}")
