"""One request, one transaction: no answer says 201 unless the commit has succeeded."""

from collections.abc import Iterator
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from kcloud_api.db.engine import Database
from kcloud_api.http.app import service_app
from kcloud_api.http.errors import kcloud_shape
from kcloud_api.http.transaction import SessionDep, session
from tests.functional.conftest import Serve

RequestScoped = Annotated[Session, Depends(session)]
"""The same dependency with FastAPI's default scope, to show what the other one prevents."""


def app_on(database: Database) -> FastAPI:
    app = service_app("test", kcloud_shape)
    app.state.database = database

    @app.post("/function-scope", status_code=201)
    def function_scope(session: SessionDep) -> dict[str, str]:
        session.connection()
        return {"made": "it"}

    @app.post("/request-scope", status_code=201)
    def request_scope(session: RequestScoped) -> dict[str, str]:
        session.connection()
        return {"made": "it"}

    @app.get("/fails")
    def fails(request: Request) -> None:
        raise RuntimeError(f"inner words of {request.url}")

    return app


@pytest.fixture
def url(database: Database, serve: Serve) -> str:
    return serve(app_on(database))


@pytest.fixture
def _commit_fails(database: Database) -> Iterator[None]:
    def refuse(_connection: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    event.listen(database.engine, "commit", refuse)
    yield
    event.remove(database.engine, "commit", refuse)


def test_a_commit_that_succeeds_is_answered_with_201(url: str) -> None:
    assert httpx.post(f"{url}/function-scope").status_code == 201


@pytest.mark.usefixtures("_commit_fails")
def test_when_the_commit_fails_no_201_leaves(url: str) -> None:
    answer = httpx.post(f"{url}/function-scope")
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "unavailable"
    assert "disk" not in answer.text


@pytest.mark.usefixtures("_commit_fails")
def test_with_fastapis_default_scope_a_201_would_leave_before_the_commit_fails(url: str) -> None:
    assert httpx.post(f"{url}/request-scope").status_code == 201


def test_an_unknown_error_says_nothing_inner_and_carries_its_request_id(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = httpx.get(f"{url}/fails")
    assert answer.status_code == 500
    assert "inner words" not in answer.text
    assert answer.headers["X-OpenStack-Request-ID"] == answer.json()["errors"][0]["request_id"]
    assert "request_failed" in caplog.text
