"""Serves placement alone, with noauth2, under one of the policies that upstream tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import yaml

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.http.live import LiveServer, listen
from kcloud_api.main import build_app
from kcloud_api.placement.policies import RESHAPE, RULES

POLICIES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # Where upstream does not enforce its newest defaults, an admin may still do what is now a service's.
        "plain": {RESHAPE: "role:admin or role:service"},
        "legacy": {rule.name: "role:admin" for rule in RULES},
        "open": {rule.name: "@" for rule in RULES},
    }
)
"""What rules say; what is not named here is as our defaults have it, which are upstream's secure ones."""
OPTIONS = MappingProxyType(
    {
        "cors": (
            "placement.cors_allowed_origins=http://valid.example.com",
            "placement.cors_allow_headers=openstack-api-version",
        )
    }
)


@contextmanager
def serving(database_url: str, folder: Path, kind: str = "secure") -> Iterator[str]:
    """Yields the URL of a service whose schema is already there."""
    overrides = [f"database.url={database_url}", "placement.auth_strategy=noauth2", *OPTIONS.get(kind, ())]
    if kind in POLICIES:
        file = folder / f"{kind}.yaml"
        file.write_text(yaml.safe_dump(dict(POLICIES[kind])))
        overrides.append(f"api.policy_file={file}")
    conf = load_control_plane(overrides=overrides)
    database, bus = Database(database_url), Bus("memory://")
    server = LiveServer(build_app(database, conf, bus, ["placement"]), listen("127.0.0.1", 0))
    try:
        server.start()
        yield server.url
    finally:
        server.close()
        bus.close()
        database.close()
