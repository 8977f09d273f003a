"""The ed25519 key with which this host signs certificates: made once, kept in its state directory, mode 0600.

It is never made anew in place of one that can't be read: certificates signed with two keys, of which nobody
knows the first, would look forged.
"""

import re
import secrets
import stat
from pathlib import Path

from kcloud_common.errors import PermanentError
from kcloud_compute import durable
from kcloud_compute.durable import Checkpoint, no_checkpoint

_SEED = re.compile(rb"[0-9a-f]{64}\n?")


class KeyUnusable(PermanentError):
    """The operator must put the key back, or move it away so that a new one is made."""

    code = "certificate_key_unusable"


def load_or_make(path: Path, checkpoint: Checkpoint = no_checkpoint) -> bytes:
    """The 32 bytes of the key. KeyUnusable for a file that is damaged or that others may read."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(128)
    except FileNotFoundError:
        return _make(path, checkpoint)
    except OSError as error:
        raise KeyUnusable(f"{path} can't be read: {error}") from error
    if mode & 0o077:
        raise KeyUnusable(
            f"others than its owner may read {path} (mode {mode:o}): chmod 600 it, if it is safe"
        )
    if not _SEED.fullmatch(text):
        raise KeyUnusable(f"{path} is damaged: put it back, or move it away for a new key")
    return bytes.fromhex(text.decode())


def _make(path: Path, checkpoint: Checkpoint) -> bytes:
    seed = secrets.token_bytes(32)
    durable.write(path, f"{seed.hex()}\n".encode(), mode=0o600, checkpoint=checkpoint)
    return seed
