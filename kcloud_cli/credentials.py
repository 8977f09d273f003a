"""The credentials file that every OpenStack client reads: clouds.yaml, mode 0600, replaced as a whole."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ADMIN = "kcloud-admin"
DEMO = "kcloud-demo"
USERS: Mapping[str, str] = {ADMIN: "admin", DEMO: "demo"}
"""Cloud name in the file, and the user (and project) that it means."""


def write(path: Path, url: str, passwords: Mapping[str, str]) -> None:
    """Write both clouds for the API at `url`. A reader sees the old file or the new one, never a part."""
    clouds = {cloud: _cloud(url, user, passwords[user]) for cloud, user in USERS.items()}
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # mkstemp makes it 0600, so the passwords are never readable by others, not even for a moment.
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump({"clouds": clouds}, file, sort_keys=False)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def passwords(path: Path) -> Mapping[str, str]:
    """What an earlier start has written, by user; empty when there is nothing usable."""
    try:
        clouds = yaml.safe_load(path.read_text("utf-8"))["clouds"]
        return {user: str(clouds[cloud]["auth"]["password"]) for cloud, user in USERS.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


def _cloud(url: str, user: str, password: str) -> dict[str, Any]:
    return {
        "auth": {
            "auth_url": f"{url}/identity/v3",
            "username": user,
            "password": password,
            "project_name": user,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "region_name": "RegionOne",
        "identity_api_version": 3,
    }
