"""The unmodified `openstack` client, in its own environment, as tests call it."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def client_path() -> Path:
    """`make client` puts it there; KCLOUD_OPENSTACK_CLIENT names another."""
    return Path(os.environ.get("KCLOUD_OPENSTACK_CLIENT", ROOT / ".venv-client" / "bin" / "openstack"))


class ClientFailed(AssertionError):
    """The client ended with another status than expected."""


@dataclass
class OpenStack:
    """One user's client. Each call is written to `transcript`, so that the whole session can be read."""

    clouds_yaml: Path
    cloud: str
    transcript: Path

    def __call__(self, *words: str | Path, fails: bool = False) -> str:
        """Standard output; with `fails`, what it complained of (and the call must fail)."""
        command = [str(word) for word in words]
        path = client_path()
        assert path.exists(), f"no OpenStack client at {path}: run `make client`"
        done = subprocess.run(
            [str(path), "--os-cloud", self.cloud, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml)},
        )
        with self.transcript.open("a") as file:
            file.write(
                f"$ openstack --os-cloud {self.cloud} {' '.join(command)}\n{done.stdout}{done.stderr}\n"
            )
        if (done.returncode != 0) != fails:
            raise ClientFailed(
                f"openstack {' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stderr if fails else done.stdout

    def json(self, *words: str | Path) -> Any:  # noqa: ANN401 - whatever the client prints
        return json.loads(self(*words, "-f", "json"))
