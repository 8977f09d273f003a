"""Makes and checks certificates: canonical JSON, its hash, ed25519 signatures, and whole chains. Does no I/O.

`cryptography` is imported when the first signature is made or checked, for most processes do neither.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from pydantic import ValidationError

from kcloud_common.certificate import NO_CERTIFICATE, Certificate
from kcloud_common.errors import BadRequest

Keys = Mapping[UUID, Collection[str]]
"""The public keys of each host, as its reports named them: the one of today, and older ones."""

_UNSIGNED = "0" * 128


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where what is kept of a chain begins: after the certificate of this number and hash. Unsigned."""

    sequence: int
    hash: str
    reason: str = ""


def canonical(certificate: Certificate) -> bytes:
    """What is hashed and signed: every field but the signature, keys sorted, no spaces, UTF-8."""
    return _compact(certificate.model_dump(mode="json", exclude={"signature"}))


def fingerprint(certificate: Certificate) -> str:
    """What the next certificate of the device carries as `previous`."""
    return hashlib.sha256(canonical(certificate)).hexdigest()


def public_key(seed: bytes) -> str:
    """In hex, of the 32 bytes that are the private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def unsigned(facts: Mapping[str, object]) -> Certificate:
    """A certificate of these fields, still to be signed; `key` and `signature` may be left out."""
    return Certificate.model_validate({"key": NO_CERTIFICATE, "signature": _UNSIGNED, **facts})


def sign(certificate: Certificate, seed: bytes) -> Certificate:
    """The same with the key and signature of this seed, whatever stood there."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    keyed = certificate.model_copy(update={"key": public_key(seed)})
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(canonical(keyed)).hex()
    return keyed.model_copy(update={"signature": signature})


def verify(certificate: Certificate) -> bool:
    """Whether it is signed by the key that it names. Whose key that is, verify_chain asks."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(certificate.key))
        key.verify(bytes.fromhex(certificate.signature), canonical(certificate))
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_chain(
    certificates: Sequence[Certificate], keys: Keys, *, whole: bool = True, anchors: Collection[Anchor] = ()
) -> list[str]:
    """What is wrong with one device's certificates, oldest first; nothing when all is right.

    `whole`: they must begin with the device's first. Without it a piece of a chain passes too, as a tenant
    sees it. `anchors`: after which they may begin, too. That the newest were left out can be seen only by
    who knows how many there are.
    """
    problems = [problem for certificate in certificates for problem in _alone(certificate, keys)]
    if whole and certificates:
        first = certificates[0]
        begins = {(1, NO_CERTIFICATE), *((anchor.sequence + 1, anchor.hash) for anchor in anchors)}
        if (first.sequence, first.previous) not in begins:
            problems.append(f"{_name(first)}: the chain does not begin with the device's first certificate")
    for before, after in pairwise(certificates):
        problems += _joint(before, after)
    return problems


def read_chain(text: bytes | str) -> tuple[Certificate, ...]:
    """Certificates from JSON: a list, or an object with the list as `certificates`. BadRequest for what is no
    such thing, and for values that are written in another way than they were signed."""
    try:
        raw = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"no JSON: {error}") from None
    found = raw.get("certificates") if isinstance(raw, dict) else raw
    if not isinstance(found, list):
        raise BadRequest("no list of certificates")
    return tuple(_strict(entry, number) for number, entry in enumerate(found, start=1))


def _alone(certificate: Certificate, keys: Keys) -> list[str]:
    if certificate.key not in keys.get(certificate.host_id, ()):
        return [f"{_name(certificate)}: signed with a key that is not known of host {certificate.host_id}"]
    if not verify(certificate):
        return [f"{_name(certificate)}: the signature does not fit: it was altered after it was signed"]
    return []


def _joint(before: Certificate, after: Certificate) -> list[str]:
    problems = []
    if (after.host_id, after.device) != (before.host_id, before.device):
        problems.append(f"{_name(after)}: of another device than the one before it ({_name(before)})")
    if after.sequence != before.sequence + 1:
        problems.append(f"{_name(after)}: follows number {before.sequence}")
    if after.previous != fingerprint(before):
        problems.append(f"{_name(after)}: does not carry the hash of the one before it")
    if after.generation < before.generation:
        problems.append(f"{_name(after)}: of lease {after.generation}, after lease {before.generation}")
    return problems


def _strict(entry: object, number: int) -> Certificate:
    """Some values can be written in several ways (a time with `T` or a space, a UUID in capitals). Only the
    way that was signed is taken: a stored byte that was changed must show."""
    try:
        certificate = Certificate.model_validate(entry)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BadRequest(f"entry {number} is no certificate: {where}: {error.errors()[0]['msg']}") from None
    if _compact(entry) != _compact(certificate.model_dump(mode="json")):
        raise BadRequest(f"entry {number} is not written as it was signed")
    return certificate


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _name(certificate: Certificate) -> str:
    return f"certificate {certificate.sequence} of {certificate.device}"


def _compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
