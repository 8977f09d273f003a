"""What of a Placement request is refused before anybody looks at what it asks."""

from http import HTTPStatus

import pytest
from fastapi.routing import iter_route_contexts

from kcloud_api.placement.gate import JSON, METHODS, accepts, methods_of, refused
from kcloud_api.placement.routes import build

TOKEN = {"x-auth-token": "admin"}
BODY = {**TOKEN, "content-type": JSON, "content-length": "2"}


def status(verb: str, path: str, minor: int = 39, headers: dict[str, str] | None = None) -> int:
    refusal = refused(verb, path, minor, TOKEN if headers is None else headers)
    return refusal.status.value if refusal is not None else HTTPStatus.OK


def test_the_gate_knows_exactly_the_routes_that_there_are() -> None:
    routes = {
        (method, "/".join("*" if part.startswith("{") else part for part in str(found.path).split("/")))
        for found in iter_route_contexts(build().routes)
        for method in found.methods or ()
    }
    known = {
        (method, "/".join("*" if part.startswith("{") else part for part in path.split("/")))
        for path, methods in METHODS.items()
        for method in methods
    }
    assert routes == known


@pytest.mark.parametrize("path", ["/barnabas", "/resource_providers/x/cows", "/traits/", "//", "/traits/a/b"])
def test_an_unknown_path_is_404(path: str) -> None:
    assert status("GET", path) == 404
    assert methods_of(path) is None


def test_only_the_version_document_is_open() -> None:
    assert status("GET", "/", headers={}) == 200
    assert status("GET", "", headers={}) == 200
    for path in ("/traits", "/barnabas", "/usages"):
        assert status("GET", path, headers={}) == 401
        assert status("GET", path, headers={"x-auth-token": ""}) == 401


def test_a_method_that_a_path_has_not_is_405_with_those_it_has() -> None:
    refusal = refused("DELETE", "/resource_providers", 39, TOKEN)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (405, {"Allow": "GET, POST"})
    assert "The method DELETE is not allowed" in refusal.message
    assert status("HEAD", "/traits") == 405


@pytest.mark.parametrize(
    ("verb", "path", "since", "before"),
    [
        ("GET", "/resource_providers/x/aggregates", 1, 404),
        ("DELETE", "/resource_providers/x/inventories", 5, 405),
        ("DELETE", "/resource_providers/x/inventories/VCPU", 0, 404),
        ("PUT", "/traits/CUSTOM_A", 6, 404),
        ("GET", "/allocation_candidates", 10, 404),
        ("GET", "/usages", 9, 404),
    ],
)
def test_what_a_version_does_not_know_yet_is_not_there(verb: str, path: str, since: int, before: int) -> None:
    assert status(verb, path, since) == 200
    if since:
        assert status(verb, path, since - 1) == before


def test_a_body_says_that_it_is_json() -> None:
    assert status("POST", "/resource_providers", headers=BODY) == 200
    assert (
        status("POST", "/resource_providers", headers={**BODY, "content-type": f"{JSON}; charset=x"}) == 200
    )
    assert status("POST", "/resource_providers", headers={**BODY, "content-type": "text/plain"}) == 415
    assert status("POST", "/resource_providers", headers={**TOKEN, "content-length": "2"}) == 400
    assert status("POST", "/resource_providers") == 415


def test_putting_a_class_reads_a_body_until_1_6() -> None:
    assert status("PUT", "/resource_classes/CUSTOM_A", 6) == 415
    assert status("PUT", "/resource_classes/CUSTOM_A", 6, BODY) == 200
    assert status("PUT", "/resource_classes/CUSTOM_A", 7) == 200


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", True), ("*/*", True), (JSON, True), ("application/*", True), ("text/plain", False),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", True), ("text/html,application/xml;q=0.9", False),
        ("*/*;q=0", False), ("*/*, application/json;q=0", False), ("application/json;q=0.1", True),
        ("nonsense", False),
    ],
)  # fmt: skip
def test_the_narrowest_range_says_whether_json_is_taken(accept: str, taken: bool) -> None:
    assert accepts(accept, JSON) is taken
    assert status("GET", "/resource_providers", headers={**TOKEN, "accept": accept}) == (
        200 if taken else 406
    )


def test_a_name_that_no_database_keeps_is_of_nothing() -> None:
    for path in ("/traits/a\0", "/resource_classes/\0", "/resource_providers/x/inventories/a\0"):
        assert status("GET", path) == 404
