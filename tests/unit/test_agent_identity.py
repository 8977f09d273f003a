"""Who the host is: its secret is on disk before anybody hears of it, and every step may be repeated."""

import stat
from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.errors import Unavailable
from kcloud_common.wire import Enrolled, Enrolment
from kcloud_compute import identity
from kcloud_compute.identity import Identity, NoIdentity

HOST_ID = UUID(int=0xA0)


class Plane:
    """Enrols; the first `lost` answers do not arrive."""

    def __init__(self, lost: int = 0) -> None:
        self.asked: list[tuple[str, Enrolment]] = []
        self._lost = lost

    def enrol(self, token: str, enrolment: Enrolment) -> Enrolled:
        self.asked.append((token, enrolment))
        if len(self.asked) <= self._lost:
            raise Unavailable("the answer was lost")
        return Enrolled(host_id=HOST_ID)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "identity.json"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    return file


def test_the_secret_is_long_private_and_on_disk_first(path: Path) -> None:
    me = identity.prepare(path, "host-1")
    assert len(me.secret) >= 32
    assert me.host_id is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert identity.prepare(path, "host-1") == me
    assert me.secret not in repr(me)


def test_a_lost_answer_is_asked_for_again_with_the_same_secret(path: Path, token: Path) -> None:
    plane = Plane(lost=1)
    with pytest.raises(Unavailable):
        identity.enrol(identity.prepare(path, "host-1"), path, plane, token)
    again = identity.enrol(identity.prepare(path, "host-1"), path, plane, token)
    assert again.host_id == HOST_ID
    first, second = plane.asked
    assert first == second
    assert first[0] == "t0ken"


def test_an_enrolled_host_needs_no_token_any_more(path: Path, token: Path, tmp_path: Path) -> None:
    plane = Plane()
    me = identity.enrol(identity.prepare(path, "host-1"), path, plane, token)
    assert identity.enrol(identity.prepare(path, "other-name"), path, plane, tmp_path / "gone") == me
    assert len(plane.asked) == 1
    assert identity.load(path) == me


@pytest.mark.parametrize("content", [None, "", "\n", "two\nlines", "caf\u00e9"])
def test_without_a_good_token_the_operator_is_told(path: Path, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(NoIdentity):
        identity.enrol(identity.prepare(path, "host-1"), path, Plane(), file)


def test_a_damaged_identity_is_not_replaced_by_a_new_one(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(NoIdentity):
        identity.prepare(path, "host-1")
    assert path.read_text() == "{"


def test_a_killed_writer_leaves_the_old_identity_or_the_new_one(path: Path, token: Path) -> None:
    before = identity.prepare(path, "host-1")

    def die(name: str) -> None:
        raise KeyboardInterrupt(name)

    with pytest.raises(KeyboardInterrupt):
        identity.enrol(before, path, Plane(), token, die)
    assert identity.load(path) == before
    assert isinstance(identity.enrol(before, path, Plane(), token), Identity)
