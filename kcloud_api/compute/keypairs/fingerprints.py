"""Decides whether a text is a public key, and what its fingerprint is. Pure."""

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from kcloud_common.errors import BadRequest


def fingerprint(public_key: str, kind: str) -> str:
    """Of an `ssh` key (MD5 of its blob) or an `x509` certificate (SHA-1), as Nova shows them. Raises
    BadRequest for what is neither."""
    try:
        return _ssh(public_key) if kind == "ssh" else _x509(public_key)
    except (ValueError, IndexError, UnicodeEncodeError, UnsupportedAlgorithm) as error:
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from error


def _ssh(public_key: str) -> str:
    # Every line of a guest's authorized_keys lets somebody in; a second one here would be seen by nobody.
    if len(public_key.strip().splitlines()) != 1:
        raise ValueError("more than one line")
    serialization.load_ssh_public_key(public_key.encode())
    blob = base64.b64decode(public_key.split(" ")[1])
    return _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest())


def _x509(pem: str) -> str:
    # Imported here: almost nobody uses certificates, and every start would pay for them.
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pem.encode())
    return _colons(certificate.fingerprint(hashes.SHA1()).hex())  # noqa: S303 - a name, not a proof


def _colons(text: str) -> str:
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))
