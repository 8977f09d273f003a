"""A service's plain routes answer as FastAPI itself would, from one thread."""

import threading
from collections.abc import Iterator
from typing import Annotated, Any, cast

import httpx
import pytest
from fastapi import Body, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from kcloud_api.http import plain
from kcloud_api.http.app import service_app
from kcloud_api.http.errors import nova_shape
from kcloud_common.errors import Conflict
from tests.functional.conftest import Serve


class Thing(BaseModel):
    name: str
    size: int = 3


def number(n: int) -> int:
    return n


def opened() -> Iterator[str]:
    try:
        yield threading.current_thread().name
    except Conflict as error:
        raise Conflict(f"closed after {error.message}") from error


async def raw(request: Request) -> bytes:
    return await request.body()


Opened = Annotated[str, Depends(opened, scope="function")]
Tags = Annotated[list[str], Query()]


def declare(app: FastAPI) -> None:
    @app.get("/numbers")
    def numbers(opened: Opened, n: Annotated[int, Depends(number)]) -> dict[str, int]:
        return {"n": n}

    @app.get("/threads")
    def threads(opened: Opened) -> dict[str, bool]:
        return {"same": opened == threading.current_thread().name}

    @app.get("/fails")
    def fails(opened: Opened) -> None:
        raise Conflict("it is taken")

    @app.post("/things/{id}", status_code=201)
    def make(id: int, thing: Thing, response: Response, tag: Tags, x: Annotated[str, Header()] = "") -> Thing:
        response.headers["X-Made"] = str(id)
        thing.name += x + "".join(tag)
        return thing

    @app.put("/embedded")
    def embedded(thing: Thing, other: Annotated[int, Body()]) -> dict[str, Any]:
        return {"name": thing.name, "other": other}

    @app.put("/raw")
    def raw_size(content: Annotated[bytes, Depends(raw)]) -> int:
        return len(content)

    @app.delete("/things/{id}", status_code=204)
    def remove(id: int) -> None:
        return None

    @app.get("/stream")
    def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]), 202, {"X-Kind": "stream"})

    @app.get("/async")
    async def waits(n: Annotated[int, Depends(number)]) -> int:
        return n


JSON = {"Content-Type": "application/json"}
PLUS = {"Content-Type": "application/thing+json; charset=utf-8"}
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("GET", "/numbers?n=7", {}),
    ("GET", "/numbers", {}),
    ("GET", "/numbers?n=x", {}),
    ("GET", "/fails", {}),
    ("POST", "/things/4?tag=a&tag=b", {"json": {"name": "n"}, "headers": {"X": "!"}}),
    ("POST", "/things/four?tag=a", {"json": {"size": "big"}}),
    ("POST", "/things/4", {"content": b""}),
    ("POST", "/things/4?tag=a", {"content": b"{", "headers": JSON}),
    ("POST", "/things/4?tag=a", {"content": b"[" * 100_000, "headers": JSON}),
    ("POST", "/things/4?tag=a", {"content": b"\xff", "headers": JSON}),
    ("POST", "/things/4?tag=a", {"content": b'{"name": "n"}'}),
    ("POST", "/things/4?tag=a", {"content": b'{"name": "n"}', "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/things/4?tag=a", {"content": b'{"name": ""}', "headers": PLUS}),
    ("PUT", "/embedded", {"json": {"thing": {"name": "n"}, "other": 5}}),
    ("PUT", "/embedded", {"json": [1]}),
    ("PUT", "/raw", {"content": b"12345"}),
    ("DELETE", "/things/4", {}),
    ("PATCH", "/things/4", {}),
    ("GET", "/things/4/", {}),
    ("GET", "/stream", {}),
    ("GET", "/async?n=2", {}),
)  # fmt: skip


@pytest.fixture
def urls(serve: Serve) -> tuple[str, str]:
    """The same service run our way, and by FastAPI alone."""
    ours, theirs = (service_app("test", nova_shape) for _ in range(2))
    for app in (ours, theirs):
        declare(app)
    theirs.user_middleware = [
        one for one in theirs.user_middleware if one.cls is not cast("Any", plain.Plain)
    ]
    return serve(ours), serve(theirs)


@pytest.mark.parametrize(("method", "path", "more"), REQUESTS)
def test_the_answer_is_fastapis(urls: tuple[str, str], method: str, path: str, more: dict[str, Any]) -> None:
    ours, theirs = (httpx.request(method, url + path, **more) for url in urls)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert headers_of(ours) == headers_of(theirs)


def headers_of(answer: httpx.Response) -> dict[str, str]:
    own = {"date", "x-openstack-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in own}


def test_what_a_request_needs_and_its_handler_run_in_one_thread(urls: tuple[str, str]) -> None:
    assert all(httpx.get(f"{urls[0]}/threads").json()["same"] for _ in range(20))
