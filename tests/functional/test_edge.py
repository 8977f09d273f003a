"""What every request meets before its service: an id, a limit on its body, and the pages of the process."""

import asyncio
import json
import uuid
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import text
from starlette.types import Message

from kcloud_api.db.engine import Database
from kcloud_api.http.app import service_app
from kcloud_api.http.edge import RequestIdentity
from kcloud_api.http.errors import nova_shape
from kcloud_api.http.metrics import Measured
from kcloud_api.http.prefixes import AT_ROOT, Prefixes
from kcloud_api.http.transaction import SessionDep
from kcloud_common import log
from tests.functional.conftest import Serve


class Document(BaseModel):
    name: str


@pytest.fixture
def prefixes(database: Database) -> RequestIdentity:
    app = service_app("test", nova_shape)

    @app.get("/")
    def versions(request: Request) -> dict[str, str]:
        return {"base": str(request.base_url)}

    @app.post("/documents")
    @app.put("/documents")
    def document(document: Document) -> dict[str, str]:
        return {"name": document.name, "logged_as": log.request_id.get()}

    @app.put("/data")
    async def data(request: Request) -> dict[str, int]:
        return {"size": sum([len(part) async for part in request.stream()])}

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError("bug")

    @app.post("/stored")
    def stored(document: Document, session: SessionDep) -> None:
        session.connection().execute(text("SELECT :name"), {"name": document.name})

    @app.get("/number")
    def number(value: int, session: SessionDep) -> None:
        session.connection().execute(text("SELECT :value"), {"value": value})

    app.state.database = database
    return RequestIdentity(Measured(Prefixes({"/compute": app, "/other": app}, database)))


@pytest.fixture
def url(prefixes: RequestIdentity, serve: Serve) -> str:
    return serve(prefixes)


def test_an_answer_carries_the_id_under_which_the_request_was_logged(url: str) -> None:
    answer = httpx.post(f"{url}/compute/documents", json={"name": "n"})
    assert answer.headers["X-OpenStack-Request-ID"] == answer.json()["logged_as"]
    assert answer.json()["logged_as"].startswith("req-")


def test_a_clients_own_request_id_is_kept_if_it_is_well_formed(url: str) -> None:
    for given, kept in ((f"req-{uuid.uuid4()}", True), ("req-1\tx", False), ("x" * 500, False)):
        answer = httpx.get(f"{url}/compute/", headers={"X-OpenStack-Request-ID": given})
        assert (answer.headers["X-OpenStack-Request-ID"] == given) is kept


def test_a_document_larger_than_the_limit_is_refused_in_the_services_shape(url: str) -> None:
    answer = httpx.post(f"{url}/compute/documents", json={"name": "x" * 2_000_000})
    assert answer.status_code == 413
    assert answer.json()["overLimit"]["code"] == 413


def test_a_document_without_a_length_is_counted_while_it_is_read(url: str) -> None:
    parts = (b'"%s"' % (b"x" * 65536) for _ in range(40))
    answer = httpx.post(
        f"{url}/compute/documents", content=parts, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_streamed_data_is_not_subject_to_the_limit(url: str) -> None:
    answer = httpx.put(
        f"{url}/compute/data",
        content=b"x" * 3_000_000,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.json() == {"size": 3_000_000}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_document_that_calls_itself_data_is_limited_all_the_same(url: str, method: str) -> None:
    answer = httpx.request(
        method,
        f"{url}/compute/documents",
        content=b"x" * 3_000_000,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"name": ', b"null", b'{"name": 1' + b"0" * 5000 + b"}"],
)
def test_a_malformed_body_is_a_400_in_the_services_shape(url: str, body: bytes) -> None:
    answer = httpx.post(
        f"{url}/compute/documents", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["badRequest"]["code"] == 400


def test_a_text_that_no_database_keeps_is_a_400(url: str) -> None:
    answer = httpx.post(
        f"{url}/compute/stored",
        content=b'{"name": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert "cannot be stored" in answer.text


def test_a_number_that_no_database_keeps_is_a_400(url: str) -> None:
    assert httpx.get(f"{url}/compute/number?value={10**30}").status_code == 400


def test_the_root_lists_the_services_and_a_prefix_without_slash_finds_its_service(url: str) -> None:
    assert httpx.get(f"{url}/").json()["services"] == {
        "compute": f"{url}/compute/",
        "other": f"{url}/other/",
    }
    for path in ("/compute", "/compute/"):
        assert httpx.get(url + path).json() == {"base": f"{url}/compute/"}


@pytest.mark.parametrize("path", ["/nothing", "/computer/", "/compute-x"])
def test_what_no_service_has_is_a_404(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == 404


def test_a_service_alone_is_served_at_the_root(
    database: Database, serve: Serve, prefixes: RequestIdentity
) -> None:
    app = service_app("alone", nova_shape)

    @app.get("/")
    def versions() -> dict[str, str]:
        return {"versions": "all"}

    url = serve(RequestIdentity(Measured(Prefixes({AT_ROOT: app}, database))))
    assert httpx.get(f"{url}/").json() == {"versions": "all"}
    assert httpx.get(f"{url}/healthcheck").text == "OK"


def test_health_says_when_the_database_does_not_answer(url: str, serve: Serve, tmp_path: Path) -> None:
    assert httpx.get(f"{url}/healthcheck").status_code == 200
    assert httpx.post(f"{url}/healthcheck").status_code == 405
    gone = Database(f"sqlite:///{tmp_path}/no/such/folder/kcloud.db")
    broken = serve(RequestIdentity(Measured(Prefixes({}, gone))))
    assert httpx.get(f"{broken}/healthcheck").status_code == 503


def test_metrics_count_by_service_and_never_name_a_path(url: str) -> None:
    httpx.get(f"{url}/compute/")
    httpx.get(f"{url}/compute/fails")
    page = httpx.get(f"{url}/metrics").text
    assert 'kcloud_http_requests_total{method="GET",service="compute",status="200"}' in page
    assert 'kcloud_http_requests_total{method="GET",service="compute",status="500"}' in page
    assert "/fails" not in page


def test_the_error_body_of_a_bug_is_json_and_says_nothing_inner(url: str) -> None:
    answer = httpx.get(f"{url}/compute/fails")
    assert answer.status_code == 500
    assert json.loads(answer.text)["computeFault"]["code"] == 500


def test_a_body_that_its_client_cuts_off_is_no_failure_of_ours(
    prefixes: RequestIdentity, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT",
        "scheme": "http", "server": ("127.0.0.1", 1), "path": "/compute/data", "raw_path": b"/compute/data",
        "query_string": b"", "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    asyncio.run(prefixes(scope, receive, send))
    assert [message["status"] for message in told if "status" in message] == [400]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
