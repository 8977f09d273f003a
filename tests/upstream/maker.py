"""Makes providers and what belongs to them through our REST API, as upstream's fixtures do in SQL."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

NEWEST = "placement 1.39"
BEFORE_CONSUMER_TYPES = "placement 1.37"
"""Upstream's fixtures make consumers without a type."""


class Maker:
    """A client of one service. Every method raises AssertionError where the service refuses."""

    def __init__(self, url: str) -> None:
        headers = {"X-Auth-Token": "admin", "OpenStack-API-Version": NEWEST}
        self._client = httpx.Client(base_url=url, headers=headers, verify=False, timeout=30)
        self._known_names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def provider(self, name: str, *aggregates: str, parent: str | None = None, uuid: str = "") -> str:
        """Its id."""
        made = uuid or str(uuid4())
        body = {"name": name, "uuid": made, "parent_provider_uuid": parent}
        self._send("POST", "/resource_providers", body if parent else {"name": name, "uuid": made})
        if aggregates:
            self.aggregates(made, *aggregates)
        return made

    def aggregates(self, provider: str, *aggregates: str) -> None:
        body = {"aggregates": aggregates, "resource_provider_generation": self._generation(provider)}
        self._send("PUT", f"/resource_providers/{provider}/aggregates", body)

    def inventory(self, provider: str, resource_class: str, total: int, **more: float) -> None:
        """One more inventory; its max_unit is its total unless said otherwise."""
        if resource_class.startswith("CUSTOM_"):
            self._send("PUT", f"/resource_classes/{resource_class}")
        body = {
            "resource_class": resource_class,
            "total": total,
            "max_unit": total,
            "resource_provider_generation": self._generation(provider),
            **more,
        }
        self._send("POST", f"/resource_providers/{provider}/inventories", body)

    def traits(self, provider: str, *traits: str) -> None:
        """Instead of those it has."""
        for trait in traits:
            if trait.startswith("CUSTOM_"):
                self._send("PUT", f"/traits/{trait}")
        body = {"traits": traits, "resource_provider_generation": self._generation(provider)}
        self._send("PUT", f"/resource_providers/{provider}/traits", body)

    def allocation(self, provider: str, amounts: Mapping[str, int], *, project: str, user: str) -> str:
        """A new consumer's id."""
        consumer = str(uuid4())
        body = {
            "allocations": {provider: {"resources": dict(amounts)}},
            "project_id": project,
            "user_id": user,
            "consumer_generation": None,
        }
        self._send("PUT", f"/allocations/{consumer}", body, version=BEFORE_CONSUMER_TYPES)
        return consumer

    def _generation(self, provider: str) -> int:
        return int(self._send("GET", f"/resource_providers/{provider}").json()["generation"])

    def _send(self, verb: str, path: str, body: object = None, *, version: str = NEWEST) -> httpx.Response:
        more: dict[str, Any] = {} if body is None else {"json": body}
        answer = self._client.request(verb, path, headers={"OpenStack-API-Version": version}, **more)
        assert answer.is_success, f"{verb} {path} {body}: {answer.status_code} {answer.text}"
        return answer
