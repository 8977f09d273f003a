"""`kcloud device verify`: whether a device's certificates are whole, in words and as an exit status. Pure.

Works on text alone, so that it needs no cloud: certificates and keys may have been kept for years in a file.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from kcloud_cli.tables import columns
from kcloud_common.certificate import Certificate
from kcloud_common.errors import BadRequest
from kcloud_common.signing import Keys, read_chain, verify_chain

GOOD, BROKEN, UNREADABLE = 0, 1, 2
"""Exit statuses: all is right; the chain was altered or is not whole; there is nothing to verify."""
_KEY = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    status: int


def verify(certificates: bytes | str, keys: bytes | str, *, whole: bool = True) -> Answer:
    """`certificates`: JSON as `GET /kcloud/v1/devices/{id}/certificates` gives it, of one device or several.
    `keys`: JSON of each host's id and its public keys. `whole`: each chain must begin with its first."""
    try:
        chain, known = read_chain(certificates), read_keys(keys)
    except BadRequest as error:
        return Answer(f"cannot verify: {error.message}", UNREADABLE)
    if not chain:
        return Answer("cannot verify: there are no certificates", UNREADABLE)
    problems = [problem for part in _by_device(chain) for problem in verify_chain(part, known, whole=whole)]
    table = columns([_HEAD, *(_row(certificate) for certificate in chain)])
    if problems:
        return Answer("\n".join([table, "", *problems, "", "NOT VERIFIED"]), BROKEN)
    return Answer(f"{table}\n\nverified: {_count(len(chain))}, unaltered and in one unbroken chain", GOOD)


def read_keys(text: bytes | str) -> Keys:
    """From JSON: an object of host ids, each with a key or a list of keys. BadRequest for anything else."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"keys are no JSON: {error}") from None
    if not isinstance(raw, dict):
        raise BadRequest("keys must be an object of host ids and their keys")
    return {_host(host): _keys(host, found) for host, found in raw.items()}


def _host(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(f"not the id of a host: {text!r}") from None


def _keys(host: str, found: object) -> frozenset[str]:
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(key, str) and _KEY.match(key) for key in listed):
        raise BadRequest(f"keys of host {host} must be 64 hexadecimal digits each")
    return frozenset(listed)


def _by_device(chain: Sequence[Certificate]) -> list[list[Certificate]]:
    """In the order in which they stand: a certificate that was moved must show."""

    def device(certificate: Certificate) -> tuple[UUID, str]:
        return certificate.host_id, certificate.device

    ordered = sorted(chain, key=device)  # stable
    return [list(part) for _, part in groupby(ordered, key=device)]


_HEAD = ("DEVICE", "NO.", "LEASE", "OCCASION", "GRADE", "ISSUED", "STEPS")


def _row(certificate: Certificate) -> tuple[str, ...]:
    steps = (f"{step.name} {step.method}".strip() for step in certificate.steps if step.outcome == "done")
    return (
        certificate.device,
        str(certificate.sequence),
        str(certificate.generation),
        certificate.occasion,
        certificate.grade,
        certificate.issued_at.isoformat(timespec="seconds"),
        ", ".join(steps),
    )


def _count(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
