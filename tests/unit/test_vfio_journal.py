"""Records are whole or not there; one that cannot be read is named, never guessed at."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from vfio.errors import JournalDamaged
from vfio.journal import ClaimRecord, FunctionRecord, Journal

RECORD = ClaimRecord(
    claim_id=UUID("6c8b7a4e-0000-4000-8000-000000000001"),
    boot_id="b",
    addresses=("0000:41:00.0",),
    functions=(
        FunctionRecord("0000:41:00.0", "nouveau", None),
        FunctionRecord("0000:41:00.1", None, "none-of-them", known=False),
    ),
)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_a_record_reads_back_as_it_was_written(tmp_path: Path, journal: Journal) -> None:
    journal.write(RECORD)
    assert Journal(tmp_path / "journal").read(RECORD.claim_id) == RECORD
    assert journal.records() == {RECORD.claim_id: RECORD}
    assert [path.name for path in (tmp_path / "journal").iterdir()] == [f"{RECORD.claim_id}.json"]


def test_removing_twice_is_removing_once(tmp_path: Path, journal: Journal) -> None:
    journal.write(RECORD)
    journal.remove(RECORD.claim_id)
    journal.remove(RECORD.claim_id)
    assert journal.read(RECORD.claim_id) is None
    assert list((tmp_path / "journal").iterdir()) == []


def test_what_an_interrupted_write_left_is_no_record_and_goes_with_the_claim(
    tmp_path: Path, journal: Journal
) -> None:
    leftover = tmp_path / "journal" / f"{RECORD.claim_id}.tmp"
    leftover.write_text('{"version": 1, "cla')
    assert journal.read(RECORD.claim_id) is None
    assert journal.damaged() == {}
    journal.remove(RECORD.claim_id)
    assert not leftover.exists()


@pytest.mark.parametrize("keep", [0, 1, 40, 200])
def test_a_truncated_record_is_damaged_and_the_others_still_read(
    tmp_path: Path, journal: Journal, keep: int
) -> None:
    journal.write(RECORD)
    other = uuid4()
    path = tmp_path / "journal" / f"{other}.json"
    path.write_text((tmp_path / "journal" / f"{RECORD.claim_id}.json").read_text()[:keep])
    with pytest.raises(JournalDamaged, match=str(other)):
        journal.read(other)
    assert set(journal.damaged()) == {other}
    assert journal.records() == {RECORD.claim_id: RECORD}


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[]", b"null", b'{"version": 2}', b'{"version": 1, "claim_id": "x"}']
)
def test_what_is_not_a_record_of_ours_is_damaged(tmp_path: Path, journal: Journal, content: bytes) -> None:
    path = tmp_path / "journal" / f"{RECORD.claim_id}.json"
    path.write_bytes(content)
    with pytest.raises(JournalDamaged):
        journal.read(RECORD.claim_id)


def test_a_stranger_s_file_is_left_alone(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "journal" / "notes.json").write_text("{}")
    assert journal.records() == {}
    assert journal.damaged() == {}
