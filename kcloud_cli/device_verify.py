"""`kcloud device verify`: whether a device's certificates are whole, in words and as an exit status. Pure.

Works on text alone, so that it needs no cloud: certificates and keys may have been kept for years in a file.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from uuid import UUID

from kcloud_cli.tables import columns
from kcloud_common.certificate import NO_CERTIFICATE, Certificate
from kcloud_common.errors import BadRequest
from kcloud_common.signing import Anchor, Keys, fingerprint, read_chain, verify_chain

GOOD, BROKEN, UNREADABLE = 0, 1, 2
"""Exit statuses: all is right; the chain was altered or is not whole; there is nothing to verify."""
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_LACKING = (
    "Those that are there are unaltered, and others are missing. A tenant sees only those of its own leases:"
    " --part verifies these by themselves."
)


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    status: int


def verify(certificates: bytes | str, keys: bytes | str, *, whole: bool = True) -> Answer:
    """`certificates`: JSON as `GET /kcloud/v1/devices/{id}/certificates` gives it, of one device or several.
    `keys`: the same answer, or JSON of each host's id and its public keys. `whole`: each chain must begin
    with its first, and have no gaps; a tenant sees only the pieces of its own leases."""
    try:
        chains, known, anchors = _chains(certificates), read_keys(keys), _anchors(certificates)
    except BadRequest as error:
        return Answer(f"cannot verify: {error.message}", UNREADABLE)
    if not chains:
        return Answer("cannot verify: there are no certificates", UNREADABLE)
    parts = [piece for chain in chains for piece in _pieces(chain)]
    every = [certificate for chain in chains for certificate in chain]
    doubled = _doubled(every)
    problems = [
        problem
        for piece in (chains if whole else parts)
        for problem in verify_chain(piece, known, whole=whole, anchors=_of(piece, anchors))
    ] + doubled
    if problems:
        unaltered = not (doubled or any(verify_chain(piece, known, whole=False) for piece in parts))
        hint = [_LACKING] if unaltered else []
        return Answer("\n".join([_table(every), "", *problems, *hint, "", "NOT VERIFIED"]), BROKEN)
    begins = [_beginning(chain, _of(chain, anchors)) for chain in chains] if whole else []
    verdict = f"verified: {_count(len(every))}, {_how(chains, whole)}"
    return Answer("\n".join([_table(every), "", verdict, *filter(None, begins)]), GOOD)


def shown(certificates: bytes | str) -> str:
    """As a table, whether they are right or not. BadRequest."""
    return _table([certificate for chain in _chains(certificates) for certificate in chain])


def read_keys(text: bytes | str) -> Keys:
    """From JSON: an object of host ids, each with a key or a list of keys; or one that has, as the API's
    answers do, a list `keys` of a host's id and a key each. BadRequest for anything else."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"keys are no JSON: {error}") from None
    if isinstance(raw, dict) and isinstance(raw.get("keys"), list):
        return _listed(raw["keys"])
    if not isinstance(raw, dict):
        raise BadRequest("keys must be an object of host ids and their keys")
    return {_host(host): _keys(host, found) for host, found in raw.items()}


def _listed(entries: list[object]) -> Keys:
    found: dict[UUID, frozenset[str]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("host_id"), str):
            raise BadRequest("each entry of `keys` must have a host_id and a key")
        host = _host(entry["host_id"])
        found[host] = found.get(host, frozenset()) | _keys(entry["host_id"], entry.get("key"))
    return found


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


def _chains(text: bytes | str) -> list[list[Certificate]]:
    """By device, in the order in which they stand: a certificate that was moved must show. What the API knows
    about them says which belong to a chain that was begun anew. BadRequest."""
    found = read_chain(text)
    numbers = _numbers(json.loads(text), len(found))

    def chain(numbered: tuple[int, Certificate]) -> tuple[UUID, str, int]:
        return numbered[1].host_id, numbered[1].device, numbered[0]

    ordered = sorted(zip(numbers, found, strict=True), key=chain)  # stable
    return [[certificate for _, certificate in part] for _, part in groupby(ordered, key=chain)]


def _numbers(raw: object, count: int) -> list[int]:
    """Of the chain of each certificate."""
    about = raw.get("about") if isinstance(raw, dict) else None
    if about is None:
        return [0] * count
    listed = about if isinstance(about, list) else []
    found = [each.get("chain") if isinstance(each, dict) else None for each in listed]
    numbers = [each for each in found if isinstance(each, int)]
    if len(numbers) != count:
        raise BadRequest("`about` must say of each certificate to which chain it belongs")
    return numbers


Device = tuple[UUID, str]


def _anchors(text: bytes | str) -> Mapping[Device, Collection[Anchor]]:
    """Where chains begin, by host and device, as the API says. BadRequest."""
    raw = json.loads(text)
    listed = raw.get("anchors", []) if isinstance(raw, dict) else []
    found: dict[Device, list[Anchor]] = {}
    for each in listed if isinstance(listed, list) else [None]:
        match each:
            case {"host_id": str(host), "device": str(device), "sequence": int(last), "hash": str(hash_)}:
                reason = each.get("reason") if isinstance(each, dict) else ""
                anchor = Anchor(last, hash_, str(reason))
                found.setdefault((_host(host), device), []).append(anchor)
            case _:
                raise BadRequest("`anchors` must say host_id, device, sequence and hash of each")
    return found


def _of(chain: Sequence[Certificate], anchors: Mapping[Device, Collection[Anchor]]) -> Collection[Anchor]:
    return anchors.get((chain[0].host_id, chain[0].device), ())


def _beginning(chain: Sequence[Certificate], anchors: Collection[Anchor]) -> str:
    """From where on it is verified; empty where that is its first."""
    first = chain[0]
    if first.previous == NO_CERTIFICATE:
        return ""
    why = {anchor.reason for anchor in anchors if anchor.hash == first.previous}
    one = first.sequence == 2
    pruned, unknown = ("was pruned", "is not known") if one else ("were pruned", "are not known")
    words = pruned if "pruned" in why else f"{unknown} to this cloud"
    before = _count(first.sequence - 1)
    return (
        f"{first.device}: verified from number {first.sequence} on; the {before} before it {words}, and that"
        " is signed by nobody"
    )


def _doubled(every: Sequence[Certificate]) -> list[str]:
    """One that stands in two chains: `about` is signed by nobody."""
    seen = Counter(fingerprint(certificate) for certificate in every)
    return [
        f"certificate {each.sequence} of {each.device}: stands there more than once"
        for each in every
        if seen[fingerprint(each)] > 1
    ]


def _pieces(chain: Sequence[Certificate]) -> list[list[Certificate]]:
    """Those without a gap."""
    pieces = [[chain[0]]]
    for before, after in pairwise(chain):
        if after.sequence > before.sequence + 1:
            pieces.append([])
        pieces[-1].append(after)
    return pieces


def _how(chains: Sequence[Sequence[Certificate]], whole: bool) -> str:
    if not whole:
        return "unaltered; what stands between and before them was not asked for"
    devices = {(chain[0].host_id, chain[0].device) for chain in chains}
    if len(chains) == len(devices):
        return "unaltered and in one unbroken chain" + ("" if len(chains) == 1 else " for each device")
    anew = len(chains) - len(devices)
    return f"unaltered, in unbroken chains; begun anew by an operator: {anew} (what came before is no proof)"


_HEAD = ("DEVICE", "NO.", "LEASE", "OCCASION", "GRADE", "ISSUED", "STEPS")


def _table(every: Sequence[Certificate]) -> str:
    return columns([_HEAD, *(_row(certificate) for certificate in every)])


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
