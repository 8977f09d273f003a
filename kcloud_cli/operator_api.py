"""The operator's view of a running cloud over its public API, with the credentials of a clouds.yaml."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import yaml

from kcloud_cli.credentials import ADMIN
from kcloud_common.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    KcloudError,
    NotFound,
    PermanentError,
    Unavailable,
)

PLACES = ("clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")

REFUSALS: Mapping[int, type[KcloudError]] = {400: BadRequest, 403: Forbidden, 404: NotFound, 409: Conflict}
"""Whose words say all that a person needs."""


@dataclass(frozen=True, slots=True)
class HostView:
    """One host as the control plane shows it; `report` is the newest one, as sent."""

    id: UUID
    name: str
    state: str
    ready: bool
    enabled: bool
    last_seen: str
    epoch: int
    """Grows each time an agent of this host starts a session."""
    problems: tuple[str, ...]
    report: Mapping[str, Any]
    devices: tuple[Mapping[str, Any], ...] = ()


def open_cloud(name: str | None = None) -> "OperatorApi":
    """Sign in to the cloud `name`, `$OS_CLOUD` or `kcloud-admin` of the first clouds.yaml that there is."""
    path = _clouds_file()
    chosen = name or os.environ.get("OS_CLOUD") or ADMIN
    try:
        cloud = yaml.safe_load(path.read_text())["clouds"][chosen]
    except (KeyError, TypeError) as error:
        raise PermanentError(
            f"{path} has no cloud {chosen!r}; choose one that it has with --os-cloud"
        ) from error
    auth = cloud["auth"]
    client = httpx.Client(
        timeout=30, trust_env=False, verify=cloud.get("cacert") or cloud.get("verify", True)
    )
    try:
        return OperatorApi.sign_in(client, auth)
    except BaseException:
        client.close()
        raise


def _clouds_file() -> Path:
    if chosen := os.environ.get("OS_CLIENT_CONFIG_FILE"):
        places: tuple[str, ...] = (chosen,)
    else:
        places = PLACES
    for place in places:
        path = Path(place).expanduser()
        if path.is_file():
            return path
    raise PermanentError(
        f"no credentials: none of {', '.join(places)} exists."
        " Set OS_CLIENT_CONFIG_FILE to the clouds.yaml in the data folder of `kcloud up`."
    )


class OperatorApi:
    def __init__(self, client: httpx.Client, endpoint: str) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    @classmethod
    def sign_in(cls, client: httpx.Client, auth: Mapping[str, str]) -> Self:
        """Password of a user in a project; the kcloud endpoint comes from the catalogue."""
        domain = {"name": auth.get("user_domain_name", "Default")}
        scope = {"name": auth["project_name"], "domain": {"name": auth.get("project_domain_name", "Default")}}
        user = {"name": auth["username"], "domain": domain, "password": auth["password"]}
        identity = {"methods": ["password"], "password": {"user": user}}
        answer = _send(
            client,
            "POST",
            f"{auth['auth_url'].rstrip('/')}/auth/tokens",
            json={"auth": {"identity": identity, "scope": {"project": scope}}},
        )
        client.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        for service in answer.json()["token"]["catalog"]:
            if service["type"] == "kcloud":
                return cls(client, next(e["url"] for e in service["endpoints"] if e["interface"] == "public"))
        raise PermanentError(f"{auth['auth_url']} has no kcloud service in its catalogue")

    @property
    def url(self) -> str:
        """Of the kcloud service, as the catalogue has it."""
        return self._endpoint

    def hosts(self) -> tuple[HostView, ...]:
        return tuple(_host(host) for host in self.each("hosts"))

    def host(self, name: str) -> HostView:
        """With its devices. By name or id; NotFound names the hosts that there are."""
        known = self.hosts()
        for host in known:
            if name in {host.name, str(host.id)}:
                return _host(self.ask("GET", f"/hosts/{host.id}"))
        names = ", ".join(host.name for host in known) or "none"
        raise NotFound(f"no host {name!r}; there are: {names}")

    def devices(self, host: str | None = None, state: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """The devices of all hosts, or of one (by name or id), or in one state."""
        return tuple(self.each("devices", host=host, state=state))

    def device(self, id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ask("GET", f"/devices/{quote(id, safe='')}")["device"]
        return found

    def explanation(self, query: str, own: Mapping[str, str]) -> Mapping[str, Any]:
        """Why hosts cannot serve `query`, which is in the words of placement's allocation_candidates. `own`:
        parameters that are not of that call."""
        asked = "&".join(part for part in (query.lstrip("?"), urlencode(own)) if part)
        found: Mapping[str, Any] = self.ask("GET", f"/explain?{asked}")["explanation"]
        return found

    def enrolment_token(self, host: str) -> str:
        """A one-time token with which a machine becomes the host of this name."""
        return str(self.ask("POST", "/enrolments", {"host": host})["token"])

    def each(self, name: str, path: str = "", **narrowed: str | None) -> Iterator[Mapping[str, Any]]:
        """What the list `name` holds, page after page."""
        for page in self.pages(name, path, **narrowed):
            yield from page[name]

    def pages(self, name: str, path: str = "", **narrowed: str | None) -> Iterator[Mapping[str, Any]]:
        """The list at `path` (`/name` unless said). The next page is asked for by its marker, wherever its
        link may lead: the last thing's id, or the one that is said about it."""
        query = {key: value for key, value in narrowed.items() if value}
        while True:
            page = self.ask("GET", f"{path or f'/{name}'}?{urlencode(query)}")
            yield page
            if not page.get(f"{name}_links"):
                return
            query["marker"] = page.get("about", page[name])[-1]["id"]

    def ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """The answer to a request below /v1; None where it has no body. Errors are those of kcloud_common."""
        answer = _send(self._client, method, f"{self._endpoint}/v1{path}", json=body)
        return answer.json() if answer.content else None


def _send(client: httpx.Client, method: str, url: str, json: object = None) -> httpx.Response:
    try:
        answer = client.request(method, url, json=json)
    except httpx.HTTPError as error:
        raise Unavailable(f"the cloud does not answer at {url}: {error}") from error
    if kind := REFUSALS.get(answer.status_code):
        operators = " It is for operators (--os-cloud kcloud-admin)." if kind is Forbidden else ""
        raise kind(_words(answer) + operators)
    if answer.is_error:
        raise PermanentError(f"{method} {url}: {answer.status_code} {_words(answer)}")
    return answer


def _words(answer: httpx.Response) -> str:
    """The message in an error body of any of the services' shapes."""
    try:
        body = answer.json()
        found = body.get("error") or body["errors"][0]
        return str(found.get("message") or found.get("detail") or answer.text)
    except (ValueError, LookupError, AttributeError):
        return answer.text[:500]


def _host(view: Mapping[str, Any]) -> HostView:
    return HostView(
        id=UUID(view["id"]),
        name=view["name"],
        state=view["state"],
        ready=view["ready"],
        enabled=view["enabled"],
        last_seen=view["last_seen"],
        epoch=view["epoch"],
        problems=tuple(view["problems"]),
        report=view["report"],
        devices=tuple(view.get("devices", ())),
    )
