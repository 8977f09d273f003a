"""Reads a report as far as it is needed: mostly its devices are those of the last one, byte for byte. Pure.

Of a report that has nothing new of its host, 180 KiB of slices would be parsed, checked and written out again
to be compared. So what changes with each report (counters, servers) is cut out of the bytes, and the rest is
compared by its digest. Where the cut can't be made with certainty the whole is read, and nothing is spared.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from kcloud_common.errors import BadRequest
from kcloud_common.wire import HostReport, ServerReport

_HEAD = re.compile(
    rb'\s*\{\s*"epoch"\s*:\s*(0|[1-9][0-9]{0,18})\s*,\s*"sequence"\s*:\s*(0|[1-9][0-9]{0,18})\s*,'
    rb'\s*"boot_id"\s*:\s*"([0-9a-f-]{36})"\s*,\s*"assignment_generation"\s*:\s*(0|[1-9][0-9]{0,18})\s*,'
)
"""How every report of an agent begins: its counters, in the order of the wire's fields."""
_SERVERS = b'"servers"'
"""In a text within JSON the quotes would be escaped, and nothing else in a report has this name."""
_CUT = (_SERVERS, b'"epoch"', b'"sequence"', b'"boot_id"', b'"assignment_generation"')
_BEGINS = re.compile(rb"\s*:\s*(?=\[)")
_reports: TypeAdapter[tuple[ServerReport, ...]] = TypeAdapter(tuple[ServerReport, ...])
_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class SaidReport:
    """What is needed of every report; `whole` reads the rest."""

    epoch: int
    sequence: int
    boot_id: UUID
    servers: tuple[ServerReport, ...]
    rest: str
    """Digest of all but servers and counters: reports with the same say the same of host and devices. Empty:
    it could not be told apart."""
    whole: Callable[[], HostReport]
    """Raises BadRequest for what is no report."""
    is_plain: Callable[[], bool]
    """Whether `rest` is to be believed. Not where what was cut out stands a second time: it would count as it
    stands there. To be asked once, of the first with this `rest`."""


def read(body: bytes) -> SaidReport:
    """BadRequest for what is seen at once to be no report."""
    try:
        return _cut(body) or _as_a_whole(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _as_a_whole(body: bytes) -> SaidReport:
    report = _checked(body)
    return SaidReport(
        report.epoch, report.sequence, report.boot_id, report.servers, "", lambda: report, lambda: False
    )


def _cut(body: bytes) -> SaidReport | None:
    head, named = _HEAD.match(body), body.find(_SERVERS)
    begins = _BEGINS.match(body, named + len(_SERVERS)) if named >= 0 else None
    if head is None or begins is None or named < head.end():
        return None
    try:
        end = begins.end() + _length(body[begins.end() :])
        boot_id = UUID(head[3].decode())
    except (ValueError, RecursionError):
        return None
    before, after = body[head.end() : named], memoryview(body)[end:]
    epoch, sequence, seen = (int(head[number]) for number in (1, 2, 4))
    if max(epoch, sequence, seen) >= _LARGEST:
        return None
    rest = sha256(b"%d %b %b" % (len(before), head[3], before))
    rest.update(after)
    servers = _reports.validate_json(body[begins.end() : end])

    def is_plain() -> bool:
        return not any(name in part for part in (before, body[end:]) for name in _CUT)

    return SaidReport(epoch, sequence, boot_id, servers, rest.hexdigest(), lambda: _checked(body), is_plain)


def _length(text: bytes) -> int:
    """Of the JSON that it begins with."""
    if text.startswith(b"[]"):
        return 2
    plain = text.decode()
    _, length = json.JSONDecoder().raw_decode(plain)
    return len(plain[:length].encode())


def _checked(body: bytes) -> HostReport:
    try:
        return HostReport.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> BadRequest:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return BadRequest(f"This is no report: {field or 'body'}: {first['msg']}", field=field or "body")
