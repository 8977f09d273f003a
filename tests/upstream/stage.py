"""Runs one of upstream's files at a time: placement served alone, with noauth2, on an empty database, in the
world and under the policy that the file asks for."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import pytest
import yaml

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.http.live import LiveServer, listen
from kcloud_api.main import build_app
from kcloud_api.placement.policies import RESHAPE, RULES
from tests.upstream.databases import MakeDatabase
from tests.upstream.gabbits import Story, world_of
from tests.upstream.maker import Maker
from tests.upstream.worlds import WORLDS, basics

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


class Stage:
    """`story(file)` is ready to run; the one before has ended then."""

    def __init__(self, folder: Path, make_database: MakeDatabase) -> None:
        self._folder = folder
        self._make_database = make_database
        self._file = ""
        self._closing = ExitStack()

    def story(self, file: str) -> Story:
        if file != self._file:
            self.close()
            self._file, self._story = file, self._open(file)
        return self._story

    def close(self) -> None:
        self._file = ""
        self._closing.close()

    def _open(self, file: str) -> Story:
        world, env = WORLDS[world_of(file)], basics()
        with ExitStack() as opening:
            url = opening.enter_context(serving(self._make_database(file), self._folder, world.kind))
            environment = opening.enter_context(pytest.MonkeyPatch.context())
            with Maker(url) as make:
                world.build(make, env)
            for variable, value in env.items():
                environment.setenv(variable, value)
            found = urlsplit(url)
            told = opening.enter_context(closing(Story(file, found.hostname or "", found.port or 0)))
            self._closing = opening.pop_all()
        return told
