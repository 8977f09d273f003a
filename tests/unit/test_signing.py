"""Certificates: signed, chained, and any byte that was changed shows."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from kcloud_common.certificate import NO_CERTIFICATE, Certificate, CertificateStep, Grade, Occasion
from kcloud_common.errors import BadRequest
from kcloud_common.signing import (
    canonical,
    fingerprint,
    public_key,
    read_chain,
    sign,
    unsigned,
    verify,
    verify_chain,
)
from tests.written_chains import write_chain

HOST = UUID("6c8b7a4e-0000-4000-8000-00000000a001")
SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
KEYS = {HOST: {public_key(SEED)}}


def chain(length: int = 3, seed: bytes = SEED) -> list[Certificate]:
    made: list[Certificate] = []
    for number in range(1, length + 1):
        facts = {
            "device": "pci_0000_41_00_0",
            "host_id": HOST,
            "serial": '1 650-2 "q" \\ é',
            "vendor_id": "10de",
            "product_id": "20b5",
            "sequence": number,
            "generation": number * 10,
            "claim_id": UUID(int=number),
            "occasion": Occasion.LEASE,
            "grade": Grade.C,
            "steps": (CertificateStep(name="reset", method="flr", outcome="done", milliseconds=100),),
            "issued_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC) + timedelta(days=number),
            "previous": fingerprint(made[-1]) if made else NO_CERTIFICATE,
        }
        made.append(sign(unsigned(facts), seed))
    return made


def test_a_chain_that_nobody_touched_is_right_and_survives_being_stored() -> None:
    made = chain(5)
    assert all(verify(certificate) for certificate in made)
    assert verify_chain(made, KEYS) == []
    assert list(read_chain(write_chain(made))) == made
    assert verify_chain([], KEYS) == []


def test_a_chain_can_be_read_as_the_api_shows_it() -> None:
    made = chain()
    listed = [json.loads(certificate.model_dump_json()) for certificate in made]
    assert list(read_chain(json.dumps({"certificates": listed}, indent=2))) == made


def test_any_byte_of_a_stored_chain_that_is_altered_fails_verification() -> None:
    text = write_chain(chain(2))
    for position, byte in enumerate(text):
        for changed in {byte ^ 0x01, byte ^ 0x20, 0x20, ord("0")} - {byte}:
            altered = text[:position] + bytes([changed]) + text[position + 1 :]
            try:
                found = read_chain(altered)
            except BadRequest:
                continue
            assert verify_chain(found, KEYS), (position, altered[position - 20 : position + 20])


@pytest.mark.parametrize("field", Certificate.model_fields)
def test_any_field_that_is_altered_fails_verification(field: str) -> None:
    others: dict[str, object] = {
        "host_id": UUID(int=7),
        "sequence": 9,
        "generation": 19,
        "claim_id": None,
        "occasion": Occasion.BURN_IN,
        "grade": Grade.A,
        "steps": (),
        "issued_at": datetime(2026, 3, 3, 9, 30, 0, 1, tzinfo=UTC),
        "key": public_key(OTHER_SEED),
        "previous": "1" * 64,
        "signature": "2" * 128,
        "vendor_id": "1002",
        "product_id": "74a1",
    }
    made = chain()
    made[1] = made[1].model_copy(update={field: others.get(field, "other")})
    assert verify_chain(made, KEYS)


def test_a_certificate_that_was_left_out_doubled_or_moved_shows() -> None:
    one, two, three = chain()
    assert verify_chain([one, three], KEYS)
    assert verify_chain([one, one, two], KEYS)
    assert verify_chain([two, one, three], KEYS)
    assert verify_chain([two, three], KEYS) == [
        "certificate 2 of pci_0000_41_00_0: the chain does not begin with the device's first certificate"
    ]
    assert verify_chain([two, three], KEYS, whole=False) == []


def test_a_chain_made_anew_by_somebody_else_shows() -> None:
    forged = chain(seed=OTHER_SEED)
    assert all(verify(certificate) for certificate in forged)
    assert len(verify_chain(forged, KEYS)) == 3
    assert "not known of host" in verify_chain(forged, KEYS)[0]
    assert verify_chain(chain(), {}) != []


def test_an_older_key_of_the_host_is_still_good() -> None:
    first = chain(1, seed=OTHER_SEED)[0]
    second = chain(2)[1].model_copy(update={"previous": fingerprint(first)})
    keys = {HOST: [public_key(OTHER_SEED), public_key(SEED)]}
    assert verify_chain([first, sign(second, SEED)], keys) == []


def test_a_lease_number_that_falls_shows_although_it_is_signed() -> None:
    one, two, _ = chain()
    older = sign(two.model_copy(update={"generation": 3}), SEED)
    assert verify_chain([one, older], KEYS) == [
        "certificate 2 of pci_0000_41_00_0: of lease 3, after lease 10"
    ]


def test_the_hash_covers_all_but_the_signature() -> None:
    one = chain(1)[0]
    assert fingerprint(one) == fingerprint(one.model_copy(update={"signature": "0" * 128}))
    assert b"signature" not in canonical(one)
    assert set(json.loads(canonical(one))) == set(Certificate.model_fields) - {"signature"}


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[1]", b"null", b'{"certificates": 1}', b"\xff", b"[" * 100_000, b'[{"a":1,"a":1}]'],
)
def test_what_is_no_chain_is_refused_with_a_reason(text: bytes) -> None:
    with pytest.raises(BadRequest):
        read_chain(text)


def test_texts_that_do_not_print_are_replaced_before_they_are_signed() -> None:
    step = CertificateStep(name="scrub", outcome="done", milliseconds=1, evidence="\x1b[31mred\n\ud800")
    assert step.evidence == " [31mred  "
