"""The real control plane for functional tests: a database, a live server, a whole cloud without hosts.

def test_x(cloud: Cloud) -> None:
    demo = cloud.client("demo")          # httpx.Client with a project token of the demo user
    assert demo.get("/compute/v2.1/servers").status_code == 200
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlmodel import SQLModel
from starlette.types import ASGIApp

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.controller import start_loops
from kcloud_api.db.engine import Database
from kcloud_api.db.modules import modules_named
from kcloud_api.http.live import LiveServer, listen
from kcloud_api.main import build_app
from kcloud_api.manage import Passwords, bootstrap
from kcloud_cli import credentials
from kcloud_common.config import Conf
from tests.postgres import fresh_database, postgres_server

FAST_BCRYPT = 4

LOAD_NO_CERTIFICATES = False
"""`verify=` of every client: all is plain HTTP, and loading the CA bundle costs 0.1 s for each."""

Serve = Callable[[ASGIApp], str]


@pytest.fixture
def options() -> Sequence[str]:
    """What else `conf` sets, each as `group.option=value`: nothing. Override to set more."""
    return ()


@pytest.fixture
def conf(tmp_path: Path, options: Sequence[str]) -> Conf:
    """The control plane's defaults on a temporary database and image store, with fast timers."""
    return load_control_plane(
        overrides=[
            f"database.url=sqlite:///{tmp_path}/kcloud.db",
            f"image.store_dir={tmp_path}/images",
            f"identity.password_rounds={FAST_BCRYPT}",
            *options,
        ]
    )


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this run's own; `fresh_database` makes databases in it."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    """An empty database with every table."""
    with fresh_database(postgres_url) as url:
        yield from opened(url)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with every table, of each kind in turn."""
    if request.param == "postgres":
        yield request.getfixturevalue("postgres")
    else:
        yield from opened(f"sqlite:///{tmp_path}/kcloud.db")


def opened(url: str) -> Iterator[Database]:
    """With every table; closed at the end."""
    for _tables in modules_named("tables"):
        pass
    database = Database(url)
    SQLModel.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def bus() -> Iterator[Bus]:
    opened = Bus("memory://")
    yield opened
    opened.close()


def with_tables(url: str, bus: Bus) -> Iterator[Database]:
    """Every service's tables, and a bus that is woken by what is committed."""
    for _tables in modules_named("tables"):
        pass
    opened = Database(url, wake=bus.wake)
    SQLModel.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_database(conf: Conf, bus: Bus) -> Iterator[Database]:
    """Every service's tables on temporary SQLite. (tests/functional/test_migration.py shows that migrations
    make the same ones; creating them here is faster.)"""
    yield from with_tables(conf.database.url, bus)


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """Of the whole cloud; a module that shall run on each kind overrides it by `woken_database`."""
    return sqlite_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def woken_database(request: pytest.FixtureRequest, conf: Conf, bus: Bus) -> Iterator[Database]:
    """`database` of each kind in turn: for tests over HTTP that override `database` with it."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_database")
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield from with_tables(url, bus)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(app)` answers real HTTP on a free loopback port until the test ends; returns the URL."""
    with ExitStack() as running:

        def start(app: ASGIApp) -> str:
            server = LiveServer(app, listen("127.0.0.1", 0))
            running.callback(server.close)
            server.start()
            return server.url

        yield start


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running control plane with the users admin and demo."""

    url: str
    database: Database
    bus: Bus
    conf: Conf
    passwords: Passwords
    admin_project_id: str
    demo_project_id: str
    _closing: ExitStack = field(default_factory=ExitStack, repr=False)

    def token(self, user: str, password: str | None = None, *, system: bool = False) -> str:
        """A new token of a user, scoped to the project of the same name, or to the system."""
        secret = password or getattr(self.passwords, user)
        domain = {"id": "default"}
        scope = {"system": {"all": True}} if system else {"project": {"name": user, "domain": domain}}
        identity = {
            "methods": ["password"],
            "password": {"user": {"name": user, "domain": domain, "password": secret}},
        }
        answer = httpx.post(
            f"{self.url}/identity/v3/auth/tokens",
            json={"auth": {"identity": identity, "scope": scope}},
            verify=LOAD_NO_CERTIFICATES,
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def client(
        self, user: str = "admin", *, system: bool = False, headers: dict[str, str] | None = None
    ) -> httpx.Client:
        """An HTTP client with the user's token; closed with the cloud. Paths start at the cloud's root."""
        made = httpx.Client(
            base_url=self.url,
            headers={"X-Auth-Token": self.token(user, system=system), **(headers or {})},
            timeout=30,
            verify=LOAD_NO_CERTIFICATES,
        )
        self._closing.callback(made.close)
        return made

    def anonymous(self) -> httpx.Client:
        made = httpx.Client(base_url=self.url, timeout=30, verify=LOAD_NO_CERTIFICATES)
        self._closing.callback(made.close)
        return made


@pytest.fixture
def services() -> Sequence[str]:
    """Which services `cloud` serves: all. Override to serve fewer."""
    return ()


@pytest.fixture
def cloud(conf: Conf, bus: Bus, database: Database, serve: Serve, services: Sequence[str]) -> Iterator[Cloud]:
    """The whole control plane, loops included, with no host yet."""
    url = serve(build_app(database, conf, bus, services))
    passwords = Passwords()
    made = bootstrap(database, url, passwords, password_rounds=FAST_BCRYPT)
    with ExitStack() as closing, start_loops(database, bus, conf):
        yield Cloud(
            url, database, bus, conf, passwords, made.admin_project_id, made.demo_project_id or "", closing
        )


@pytest.fixture
def admin(cloud: Cloud) -> httpx.Client:
    """Of the cloud's operator."""
    return cloud.client()


@pytest.fixture
def folder(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with credentials in it."""
    passwords = {"admin": cloud.passwords.admin, "demo": cloud.passwords.demo}
    credentials.write(tmp_path / "clouds.yaml", cloud.url, passwords)
    monkeypatch.chdir(tmp_path)
    for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
