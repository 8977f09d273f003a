"""Keeps passwords as bcrypt hashes and checks them, taking the same time when there is none."""

import base64
import hashlib
from functools import lru_cache

import bcrypt


def hash_password(password: str, rounds: int) -> str:
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(rounds)).decode()


def password_matches(password: str, hashed: str | None, rounds: int) -> bool:
    """False for no hash too, after the same work: an unknown user must not answer faster than a known one."""
    if hashed is None:
        bcrypt.checkpw(_digest(password), _nobodys_hash(rounds))
        return False
    return bcrypt.checkpw(_digest(password), hashed.encode())


def _digest(password: str) -> bytes:
    """bcrypt reads at most 72 bytes and stops at a zero byte; a digest has neither trap."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


@lru_cache
def _nobodys_hash(rounds: int) -> bytes:
    return bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds))
