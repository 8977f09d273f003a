"""Placement under what its own OpenAPI allows, and what it does not: much is refused, nothing fails.

`KCLOUD_FUZZ_EXAMPLES` asks more of each operation, `KCLOUD_FUZZ_SEED` asks for others; the seed is printed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from sqlmodel import SQLModel

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.db.modules import modules_named
from kcloud_api.main import build_app
from kcloud_api.placement.microversion import NEWEST
from tests.functional.conftest import Serve
from tests.postgres import fresh_database, postgres_server

Operation = APIOperation[Any, Any, Any, Any]
Asked = tuple[Case[Any], str]
"""A request, and the version that it is asked in."""

EXAMPLES = int(os.environ.get("KCLOUD_FUZZ_EXAMPLES", "8"))
SEED = int(os.environ.get("KCLOUD_FUZZ_SEED", "20260101"))
ADMIN = {"X-Auth-Token": "admin"}
KNOWN = [f"00000000-0000-4000-8000-{number:012d}" for number in range(4)]
"""Providers that exist: a root with two children, and another root."""
NAMES = ["VCPU", "MEMORY_MB", "CUSTOM_FUZZ", "HW_CPU_X86_AVX2", "nothing", "CUSTOM_\u00e9", "%00", "x" * 300]


@dataclass(frozen=True)
class Service:
    url: str

    def put(self, path: str, body: object) -> None:
        headers = {**ADMIN, "OpenStack-API-Version": "placement latest"}
        method = "POST" if path == "/resource_providers" else "PUT"
        answer = httpx.request(method, self.url + path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text

    def fill(self) -> None:
        """A small world, so that what is asked meets something."""
        self.put("/traits/CUSTOM_FUZZ", None)
        self.put("/resource_classes/CUSTOM_FUZZ", None)
        for number, provider_id in enumerate(KNOWN):
            body = {"uuid": provider_id, "name": f"known {number}"}
            if number in (1, 2):
                body["parent_provider_uuid"] = KNOWN[0]
            self.put("/resource_providers", body)
            inventories = {name: {"total": 8} for name in ("VCPU", "CUSTOM_FUZZ")}
            document: dict[str, object] = {"resource_provider_generation": 0, "inventories": inventories}
            self.put(f"/resource_providers/{provider_id}/inventories", document)
            document = {"resource_provider_generation": 1, "traits": ["CUSTOM_FUZZ"]}
            self.put(f"/resource_providers/{provider_id}/traits", document)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def service(request: pytest.FixtureRequest, tmp_path: Path, bus: Bus, serve: Serve) -> Iterator[Service]:
    if request.param == "sqlite":
        yield from opened(f"sqlite:///{tmp_path}/kcloud.db", bus, serve)
        return
    with postgres_server() as server, fresh_database(server) as url:
        yield from opened(url, bus, serve)


def opened(url: str, bus: Bus, serve: Serve) -> Iterator[Service]:
    conf = load_control_plane(overrides=[f"database.url={url}", "placement.auth_strategy=noauth2"])
    for _tables in modules_named("tables"):
        pass
    database = Database(url, wake=bus.wake)
    SQLModel.metadata.create_all(database.engine)
    service = Service(serve(build_app(database, conf, bus, ["placement"])))
    service.fill()
    yield service
    database.close()


def operations(service: Service) -> list[Operation]:
    """As the running service describes itself."""
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", headers=ADMIN)
    found = list(schema.get_all_operations())
    assert all(isinstance(one, Ok) for one in found), "the OpenAPI is not valid"
    return [one.ok() for one in found if isinstance(one, Ok)]


@st.composite
def cases(draw: st.DrawFn, operation: Operation) -> Asked:
    """A request, most of the time at something that exists, in some microversion."""
    mode = draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = draw(operation.as_strategy(generation_mode=mode))
    for name, given_value in (case.path_parameters or {}).items():
        known = KNOWN if "id" in name or "uuid" in name else NAMES
        case.path_parameters[name] = draw(st.sampled_from([*known, given_value]))
    minor = draw(st.one_of(st.just(NEWEST), st.integers(0, NEWEST)))
    return case, f"placement 1.{minor}"


def test_nothing_that_a_client_sends_makes_the_service_fail(service: Service) -> None:
    print(f"seed {SEED}, {EXAMPLES} examples of each operation")
    found = operations(service)
    assert len(found) > 25
    statuses = Counter(status for operation in found for status in answers(service, operation))
    print(sorted(statuses.items()))
    assert {200, 400, 404} <= statuses.keys()


def answers(service: Service, operation: Operation) -> list[int]:
    """The statuses of what was asked of this operation."""
    statuses: list[int] = []

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(asked=cases(operation))
    def ask(asked: Asked) -> None:
        case, version = asked
        answer = case.call(base_url=service.url, headers={**ADMIN, "OpenStack-API-Version": version})
        statuses.append(answer.status_code)
        assert answer.status_code < 500, f"{version} {case.as_curl_command()} -> {answer.text[:500]}"

    ask()
    return statuses
