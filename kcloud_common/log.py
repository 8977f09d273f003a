"""Structured logs on stderr: one event a line, with its fields and the request id; never a secret.

Code logs a verb and facts: `log.info("server_placed", extra={"server_id": ...})`. The request id comes from
a context variable, so that a line written deep inside a service carries it without being told.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from functools import partial
from typing import TextIO, TypeVar

Result = TypeVar("Result")

request_id: ContextVar[str] = ContextVar("kcloud_request_id", default="")
"""Set by the HTTP edge for one request, by a loop for one turn."""

host: ContextVar[str] = ContextVar("kcloud_host", default="")
"""Set by an agent for its threads: several may speak in one process."""

HIDDEN = "***"
_SECRET_NAME = re.compile(r"(password|passwd|secret|token|authorization|credential|cookie|private_key)", re.I)
_SECRET_TEXT = (
    # URLs with a password, as database and broker URLs have.
    (re.compile(r"(\w[\w+.-]*://[^\s:/@]*):[^\s@]+@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"(?i)\b([\w-]*(?:password|secret|token|authorization))(['\"]?\s*[:=]\s*)(['\"]?)[^\s,'\"&}]+"),
     rf"\1\2\3{HIDDEN}"),
    (re.compile(r"\bgAAAAA[\w=-]{20,}"), HIDDEN),
)  # fmt: skip
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_BARE = re.compile(r"[^\s\"=]+")


@contextmanager
def asked_by(identity: str) -> Iterator[None]:
    """Lines logged within, on this thread, carry that request id."""
    token = request_id.set(identity)
    try:
        yield
    finally:
        request_id.reset(token)


@contextmanager
def spoken_on(name: str) -> Iterator[None]:
    """Lines logged within, on this thread and on those that `alike` runs, carry that host."""
    token = host.set(name)
    try:
        yield
    finally:
        host.reset(token)


def alike(target: Callable[[], Result]) -> Callable[[], Result]:
    """The same for another thread: what it logs there carries what would be carried here."""
    return partial(copy_context().run, target)


def configure(level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
    """Send everything logged in this process to `stream` (stderr), as `text` (key=value) or `json`.
    May be called again: the latest call wins."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # Each speaks at info about every request, connection or option that passes.
    for chatty in ("httpx", "httpcore", "uvicorn", "amqp", "kombu", "oslo_policy", "alembic", "paramiko"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def scrub(text: str) -> str:
    """Take out what looks like a secret: passwords in URLs, `token: ...`, Fernet tokens."""
    for pattern, shown in _SECRET_TEXT:
        text = pattern.sub(shown, text)
    return text


def facts(record: logging.LogRecord) -> dict[str, object]:
    """What one line says, in order: time, level, logger, event, request, host, the event's own fields."""
    said: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": scrub(record.getMessage()),
    }
    current = request_id.get()
    if current:
        said["request_id"] = current
    if speaker := host.get():
        said["host"] = speaker
    for name, value in vars(record).items():
        if name not in _STANDARD and not name.startswith("_"):
            said[name] = HIDDEN if _SECRET_NAME.search(name) else _plain(value)
    return said


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(str(value))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not record.exc_info:
        return ""
    return scrub(formatter.formatException(record.exc_info))


class TextFormatter(logging.Formatter):
    """`time level event key=value ...`; a traceback follows on its own lines, indented."""

    def format(self, record: logging.LogRecord) -> str:
        said = facts(record)
        head = f"{said.pop('time')} {said.pop('level')} {_one_line(str(said.pop('event')))}"
        line = " ".join([head, *(f"{name}={_quoted(value)}" for name, value in said.items())])
        # Indented: an error's text may have line ends of its own, and must not look like another event.
        return "\n  ".join([line, *map(_one_line, _traceback(self, record).splitlines())])


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a traceback is its field `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        said = facts(record)
        trace = _traceback(self, record)
        if trace:
            said["exception"] = trace
        return json.dumps(said)


def _quoted(value: object) -> str:
    text = str(value)
    if text.isprintable():
        return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    # Escaped, so that no value can end its line or speak to a terminal: not all that does is ASCII.
    return json.dumps(text)


def _one_line(text: str) -> str:
    """Other people's messages are sentences with values in them."""
    return text if text.isprintable() else json.dumps(text)[1:-1]
