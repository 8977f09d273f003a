"""The ed25519 key with which this host signs certificates: made once, kept in its state directory, mode 0600.

It is never made anew in place of one that can't be read: that is for a person to decide. One that is gone is
made anew, and loudly so where certificates had been signed: they stay good, for the control plane keeps what
keys a host has shown, but somebody or something has taken a private one.
"""

import logging
import re
import secrets
import stat
from pathlib import Path

from kcloud_common.errors import PermanentError
from kcloud_compute import durable
from kcloud_compute.durable import Checkpoint, no_checkpoint

log = logging.getLogger(__name__)

_SEED = re.compile(rb"[0-9a-f]{64}\n?")


class KeyUnusable(PermanentError):
    """The operator must put the key back, or move it away so that a new one is made."""

    code = "certificate_key_unusable"


_PUT_BACK = "put the old one back, or move this away, and the agent makes a new one (docs/certificates.md)"
_MEND = (
    "find out who took it, for certificates can be signed with it in this host's name; if you have the old "
    "file, you may put it back while the agent is stopped: what was signed meanwhile stays good"
)


def load_or_make(path: Path, checkpoint: Checkpoint = no_checkpoint, *, certified: int = 0) -> bytes:
    """The 32 bytes of the key. KeyUnusable for a file that is damaged or that others may read. `certified`:
    how many certificates this host remembers to have signed."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(128)
    except FileNotFoundError:
        seed = _make(path, checkpoint)
        if certified:
            facts = {"path": str(path), "certificates": certified, "mend": _MEND}
            log.error(
                "certificate_key_lost",
                extra={
                    **facts,
                    "reason": "it was not there, so the next certificates are signed with a new key",
                },
            )
        else:
            log.info("certificate_key_made", extra={"path": str(path)})
        return seed
    except OSError as error:
        raise KeyUnusable(f"{path} can't be read, and is not made anew: {error}; {_PUT_BACK}") from error
    if mode & 0o077:
        raise KeyUnusable(
            f"others than its owner may read {path} (mode {mode:o}): chmod 600 it, if it is safe"
        )
    if not _SEED.fullmatch(text):
        raise KeyUnusable(f"{path} is damaged, and is not made anew: {_PUT_BACK}")
    return bytes.fromhex(text.decode())


def _make(path: Path, checkpoint: Checkpoint) -> bytes:
    seed = secrets.token_bytes(32)
    durable.write(path, f"{seed.hex()}\n".encode(), mode=0o600, checkpoint=checkpoint)
    return seed
