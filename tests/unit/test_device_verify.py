"""`kcloud device verify` on files: what it says and how it ends."""

import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from kcloud_cli.device_verify import BROKEN, GOOD, UNREADABLE, verify
from kcloud_common.certificate import Certificate
from kcloud_common.signing import sign
from tests.unit.test_signing import HOST, KEYS, OTHER_SEED, SEED, chain
from tests.written_chains import write_chain

GIVEN = json.dumps({str(host): sorted(keys) for host, keys in KEYS.items()})


def test_a_good_chain_is_shown_and_said_to_be_good() -> None:
    answer = verify(write_chain(chain(2)), GIVEN)
    assert answer.status == GOOD
    assert answer.text.splitlines() == [
        "DEVICE            NO.  LEASE  OCCASION  GRADE  ISSUED                     STEPS",
        "pci_0000_41_00_0  1    10     lease     C      2026-03-02T09:30:00+00:00  reset flr",
        "pci_0000_41_00_0  2    20     lease     C      2026-03-03T09:30:00+00:00  reset flr",
        "",
        "verified: 2 certificates, unaltered and in one unbroken chain",
    ]


def test_one_key_may_be_given_without_a_list() -> None:
    (key,) = KEYS[HOST]
    assert verify(write_chain(chain(1)), json.dumps({str(HOST): key})).status == GOOD


def test_an_altered_byte_ends_with_a_failure_whose_cause_is_named() -> None:
    text = write_chain(chain()).replace(b'"grade":"C"', b'"grade":"A"', 1)
    answer = verify(text, GIVEN)
    assert answer.status == BROKEN
    assert "certificate 1 of pci_0000_41_00_0: the signature does not fit" in answer.text
    assert "certificate 2 of pci_0000_41_00_0: does not carry the hash of the one before it" in answer.text
    assert answer.text.endswith("NOT VERIFIED")


def test_a_piece_of_a_chain_is_verified_where_that_is_asked_for() -> None:
    piece = write_chain(chain()[1:])
    assert verify(piece, GIVEN).status == BROKEN
    assert verify(piece, GIVEN, whole=False).status == GOOD
    with_a_gap = [each for each in chain(4) if each.sequence != 3]
    assert verify(write_chain(with_a_gap), GIVEN).status == BROKEN
    assert verify(write_chain(with_a_gap), GIVEN, whole=False).status == GOOD
    assert verify(write_chain(reversed(with_a_gap)), GIVEN, whole=False).status == BROKEN


def test_who_has_unaltered_pieces_only_is_told_how_to_verify_them() -> None:
    """A tenant, of a device that others have leased before: it is not to suspect its host."""
    piece = verify(write_chain(chain()[1:]), GIVEN)
    assert "does not begin with the device's first" in piece.text
    assert "--part" in piece.text
    altered = write_chain(chain()[1:]).replace(b'"grade":"C"', b'"grade":"A"', 1)
    twice = write_chain([*chain(2), chain(2)[1]])
    for broken in (altered, twice, write_chain(reversed(chain(2)))):
        answer = verify(broken, GIVEN)
        assert (answer.status, "--part" in answer.text) == (BROKEN, False)


def test_chains_of_several_devices_are_verified_each_by_itself() -> None:
    ours = chain(2)
    others = [sign(one.model_copy(update={"device": "other"}), SEED) for one in chain(1)]
    assert verify(write_chain([ours[0], *others, ours[1]]), GIVEN).status == GOOD
    assert verify(write_chain([ours[1], *others, ours[0]]), GIVEN).status == BROKEN


def test_a_stranger_s_chain_is_not_good() -> None:
    answer = verify(write_chain(chain(seed=OTHER_SEED)), GIVEN)
    assert answer.status == BROKEN
    assert verify(write_chain(chain()), json.dumps({str(UUID(int=1)): []})).status == BROKEN


def answer_of(*chains: Sequence[Certificate]) -> str:
    """As the API gives them, with its keys."""
    listed = [(number, each) for number, part in enumerate(chains) for each in part]
    return json.dumps({
        "certificates": [each.model_dump(mode="json") for _, each in listed],
        "about": [{"chain": number} for number, _ in listed],
        "keys": [{"host_id": str(host), "key": key} for host, keys in KEYS.items() for key in sorted(keys)],
    })  # fmt: skip


def test_the_api_s_answer_holds_all_that_is_needed() -> None:
    text = answer_of(chain(2))
    assert verify(text, text).status == GOOD


def test_a_chain_that_was_begun_anew_is_good_and_said_to_be() -> None:
    anew = sign(chain(1)[0].model_copy(update={"generation": 30}), SEED)
    text = answer_of(chain(2), [anew])
    answer = verify(text, text)
    assert answer.status == GOOD
    assert "begun anew by an operator: 1" in answer.text
    assert verify(write_chain([*chain(2), anew]), GIVEN).status == BROKEN


def test_a_chain_that_stands_there_twice_is_not_good_whatever_is_said_about_it() -> None:
    text = answer_of(chain(2), chain(2))
    assert verify(text, text).status == BROKEN


@pytest.mark.parametrize("about", [[], [{}], [{"chain": "0"}], [7], [{"chain": 0}, {"chain": 0}], 7])
def test_words_about_certificates_that_do_not_fit_them_cannot_be_read(about: object) -> None:
    raw = json.loads(answer_of(chain(1)))
    assert verify(json.dumps({**raw, "about": about}), GIVEN).status == UNREADABLE


@pytest.mark.parametrize(
    "keys", [[7], [{"host_id": 7}], [{"host_id": str(HOST)}], [{"host_id": "x", "key": ""}]]
)
def test_a_list_of_keys_that_makes_no_sense_cannot_be_read(keys: object) -> None:
    assert verify(answer_of(chain(1)), json.dumps({"keys": keys})).status == UNREADABLE


@pytest.mark.parametrize(
    ("certificates", "keys"),
    [
        (b"[]", GIVEN),
        (b"no json", GIVEN),
        (write_chain(chain(1)), "[]"),
        (write_chain(chain(1)), "no json"),
        (write_chain(chain(1)), '{"not-a-uuid": []}'),
        (write_chain(chain(1)), json.dumps({str(HOST): ["short"]})),
        (write_chain(chain(1)), json.dumps({str(HOST): 7})),
    ],
)
def test_what_cannot_be_read_is_told_apart_from_what_is_broken(certificates: bytes, keys: str) -> None:
    answer = verify(certificates, keys)
    assert answer.status == UNREADABLE
    assert answer.text.startswith("cannot verify: ")
