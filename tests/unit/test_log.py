"""Logs: one line an event, its fields, the request id, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from kcloud_common import log

logger = logging.getLogger("kcloud_test")


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def said(form: str) -> io.StringIO:
    stream = io.StringIO()
    log.configure("info", form, stream)
    return stream


def test_a_line_has_time_level_event_and_fields() -> None:
    stream = said("text")
    logger.info("server_placed", extra={"server_id": "7", "name_of_it": "my server"})
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert " info server_placed " in line
    assert 'server_id=7 name_of_it="my server"' in line


def test_json_lines_are_json() -> None:
    stream = said("json")
    logger.warning("host_silent", extra={"host": "h1", "seconds": 30})
    found = json.loads(stream.getvalue())
    assert (found["event"], found["level"], found["host"], found["seconds"]) == (
        "host_silent", "warning", "h1", 30,
    )  # fmt: skip


def test_the_request_id_is_on_every_line_while_it_is_set() -> None:
    stream = said("json")
    token = log.request_id.set("req-1")
    logger.info("inside")
    log.request_id.reset(token)
    logger.info("outside")
    inside, outside = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert inside["request_id"] == "req-1"
    assert "request_id" not in outside


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_never_written(form: str) -> None:
    stream = said(form)
    logger.info("x", extra={"password": "hush1", "X-Auth-Token": "hush2", "secret_key": "hush3"})
    logger.info("x", extra={"url": "postgresql+psycopg://me:hush4@db/kcloud"})
    logger.info("failed with {'password': 'hush5', \"token\": \"hush6\"} token=hush7 X-Auth-Token: hush8")
    logger.info("got gAAAAABhush9abcdefghijklmnopqrstuvwxyz")
    try:
        raise ValueError("amqp://u:hush10@host// is down")
    except ValueError:
        logger.exception("broken")
    assert "hush" not in stream.getvalue()
    assert "db/kcloud" in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x1e", "\x85", "\u2028"])
def test_no_value_message_or_error_can_forge_an_event(form: str, end: str) -> None:
    forged = "2026-01-01T00:00:00.000+00:00 info forged"
    stream = said(form)
    logger.info("x", extra={"name_given": f"a{end}{forged}", "other": end, "last": f"a{end}"})
    logger.info("a sentence of %s", f"another library{end}{forged}")
    try:
        raise ValueError(f"what was sent{end}{forged}")
    except ValueError:
        logger.exception("broken")
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if not line.startswith("  ")]) == 3
    assert not any(line.startswith(forged) for line in lines)


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_logged_speaks_to_a_terminal(form: str) -> None:
    stream = said(form)
    logger.info("hello \x1b[2J", extra={"name_given": "\x1b]0;x\x07", "other": "\x9b2J"})
    assert stream.getvalue().rstrip("\n").isprintable()


def test_a_traceback_follows_its_event_and_stays_inside_json() -> None:
    for form in ("text", "json"):
        stream = said(form)
        try:
            raise RuntimeError("bug")
        except RuntimeError:
            logger.exception("broken")
        assert "RuntimeError: bug" in stream.getvalue()
    assert "RuntimeError" in json.loads(stream.getvalue())["exception"]


def test_what_is_below_the_level_and_what_others_chat_about_is_left_out() -> None:
    stream = said("text")
    logger.debug("detail")
    logging.getLogger("httpx").info("HTTP Request: GET ...")
    assert stream.getvalue() == ""
