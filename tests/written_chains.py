"""Writes certificates as a file of them has them, for tests that read and alter one."""

import json
from collections.abc import Iterable

from kcloud_common.certificate import Certificate


def write_chain(certificates: Iterable[Certificate]) -> bytes:
    """The JSON that `read_chain` reads."""
    found = [certificate.model_dump(mode="json") for certificate in certificates]
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
