"""Which texts are public keys."""

import pytest

from kcloud_api.compute.keypairs.fingerprints import fingerprint
from kcloud_common.errors import BadRequest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPq1GvJ6v6o3n0pZQm0l2oB9rQzq1l1cZ1Z4b8w0Y8Qp"


@pytest.mark.parametrize("text", [KEY, f"{KEY} me@here", f"{KEY} me and my dog\n"])
def test_a_key_has_the_fingerprint_of_its_blob(text: str) -> None:
    assert fingerprint(text, "ssh") == fingerprint(KEY, "ssh")


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_a_key_that_brings_another_line_is_none(end: str) -> None:
    with pytest.raises(BadRequest):
        fingerprint(f"{KEY} me{end}{KEY} somebody else", "ssh")
