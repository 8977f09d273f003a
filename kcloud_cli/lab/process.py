"""Running host tools for the lab: checked, quiet while they work, telling when they fail."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from kcloud_common.errors import PermanentError

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class LabError(PermanentError):
    """The lab could not be built or run; the message says what to do."""

    code = "lab_failed"


def require(tools: Mapping[str, str]) -> None:
    """Raise a LabError that names the Debian packages of the tools that are missing (`{tool: package}`)."""
    path = search_path()
    missing = sorted({package for tool, package in tools.items() if not shutil.which(tool, path=path)})
    if missing:
        raise LabError(f"tools are missing; install them: apt-get install -y {' '.join(missing)}")


def search_path() -> str:
    """PATH with the system folders, which a plain user's shell may lack."""
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{SYSTEM_PATH}"


def run(argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run to the end and return stdout; LabError with the last lines of what it said when it fails."""
    command = [str(word) for word in argv]
    environment = {**os.environ, "PATH": search_path(), "LC_ALL": "C", **(env or {})}
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed") from error
    if done.returncode:
        words = "\n".join((done.stderr + done.stdout).strip().splitlines()[-12:])
        raise LabError(f"{' '.join(command[:4])} ... failed with {done.returncode}:\n{words}")
    return done.stdout


def run_as_root(argv: Sequence[str | Path]) -> str:
    """Run with root's rights, through sudo when we are somebody else."""
    return run(argv if os.geteuid() == 0 else ["sudo", "-n", *argv])


@contextmanager
def phase(what: str) -> Iterator[None]:
    """Print what was done and how long it took, once it is done."""
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:7.1f} s  {what}", flush=True)
