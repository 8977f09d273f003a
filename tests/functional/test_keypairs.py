"""Nova's key pairs over live HTTP."""

import base64
import hashlib

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.functional.conftest import Cloud

NEWEST = {"OpenStack-API-Version": "compute 2.96"}


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "compute")


def public_key() -> str:
    key = Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " me@home"


def client(cloud: Cloud, user: str = "demo") -> httpx.Client:
    made = cloud.client(user, headers=NEWEST)
    made.base_url = httpx.URL(f"{cloud.url}/compute/v2.1/")
    return made


def create(client: httpx.Client, name: str, **more: str) -> httpx.Response:
    return client.post("os-keypairs", json={"keypair": {"name": name, "public_key": public_key(), **more}})


def test_a_key_is_imported_shown_listed_and_deleted(cloud: Cloud) -> None:
    demo = client(cloud)
    key = public_key()
    made = demo.post("os-keypairs", json={"keypair": {"name": "mine", "public_key": key}})
    assert made.status_code == 201
    body = made.json()["keypair"]
    digest = hashlib.md5(base64.b64decode(key.split()[1])).hexdigest()
    assert body["fingerprint"].replace(":", "") == digest
    assert (body["name"], body["type"], body["public_key"]) == ("mine", "ssh", key)
    assert "private_key" not in body

    shown = demo.get("os-keypairs/mine").json()["keypair"]
    assert shown["user_id"] == body["user_id"]
    assert {"id", "created_at", "deleted", "deleted_at", "updated_at"} <= shown.keys()
    assert [item["keypair"]["name"] for item in demo.get("os-keypairs").json()["keypairs"]] == ["mine"]
    assert demo.delete("os-keypairs/mine").status_code == 204
    missing = demo.get("os-keypairs/mine")
    assert missing.status_code == 404
    assert missing.json()["itemNotFound"]["message"] == (f"Keypair mine not found for user {body['user_id']}")
    assert demo.delete("os-keypairs/mine").status_code == 404


def test_keys_are_listed_page_by_page(cloud: Cloud) -> None:
    demo = client(cloud)
    for name in ("b", "a", "c"):
        assert create(demo, name).status_code == 201
    first = demo.get("os-keypairs?limit=2").json()
    assert [item["keypair"]["name"] for item in first["keypairs"]] == ["a", "b"]
    rest = demo.get(first["keypairs_links"][0]["href"]).json()
    assert [item["keypair"]["name"] for item in rest["keypairs"]] == ["c"]
    assert demo.get("os-keypairs?marker=nothing").status_code == 400


def test_a_name_in_use_is_a_conflict_for_its_user_only(cloud: Cloud) -> None:
    demo, admin = client(cloud), client(cloud, "admin")
    assert create(demo, "same").status_code == 201
    again = create(demo, "same")
    assert again.status_code == 409
    assert again.json() == {"conflictingRequest": {"code": 409, "message": "Key pair 'same' already exists."}}
    assert create(admin, "same").status_code == 201


def test_another_users_keys_are_an_admins_business_only(cloud: Cloud) -> None:
    demo, admin = client(cloud), client(cloud, "admin")
    owner = create(demo, "mine").json()["keypair"]["user_id"]
    admin_id = create(admin, "hers").json()["keypair"]["user_id"]
    assert demo.get("os-keypairs/hers").status_code == 404
    assert demo.get("os-keypairs/hers", params={"user_id": admin_id}).status_code == 403
    assert demo.get("os-keypairs", params={"user_id": admin_id}).status_code == 403
    assert create(demo, "planted", user_id=admin_id).status_code == 403
    assert admin.get("os-keypairs/mine", params={"user_id": owner}).status_code == 200


@pytest.mark.parametrize(
    ("keypair", "message"),
    [
        (
            {"name": "no-key"},
            "Invalid input for field/attribute keypair. Value: {'name': 'no-key'}. "
            "'public_key' is a required property",
        ),
        ({"name": "bad", "public_key": "ssh-rsa nonsense"}, "Keypair data is invalid: failed to generate"),
        ({"name": "bad", "public_key": ""}, "Keypair data is invalid: failed to generate"),
        (
            {"name": "n" * 300, "public_key": "x"},
            f"Invalid input for field/attribute name. Value: {'n' * 300}. '{'n' * 300}' is too long",
        ),
        ({"name": "", "public_key": "x"}, "Invalid input for field/attribute name. Value: . ''"),
        (
            {"name": "a/b", "public_key": "x"},
            "Invalid input for field/attribute name. Value: a/b. 'a/b' does not match",
        ),
        (
            {"name": "x", "public_key": "x", "type": "pgp"},
            "Invalid input for field/attribute type. Value: pgp. 'pgp' is not one of ['ssh', 'x509']",
        ),
        (
            {"name": "x", "public_key": "x", "colour": "red"},
            "Invalid input for field/attribute keypair. Value: ",
        ),
    ],
)
def test_what_is_no_key_pair_is_refused_in_novas_words(
    cloud: Cloud, keypair: dict[str, str], message: str
) -> None:
    answer = client(cloud).post("os-keypairs", json={"keypair": keypair})
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith(message)
