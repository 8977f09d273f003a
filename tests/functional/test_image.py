"""Glance's API over live HTTP: registering, data in and out, and everything that must not get in."""

import hashlib
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.image import store
from kcloud_common.errors import TooLarge
from tests.disk_images import MIB, partitioned, qcow2, raw, vmdk
from tests.functional.conftest import Cloud

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "image")


def create(client: httpx.Client, **attributes: object) -> dict[str, Any]:
    document = {"name": "tiny", "disk_format": "qcow2", "container_format": "bare", **attributes}
    answer = client.post("/image/v2/images", json=document)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def upload(client: httpx.Client, image_id: str, data: bytes) -> httpx.Response:
    return client.put(f"/image/v2/images/{image_id}/file", content=data, headers=DATA)


def show(client: httpx.Client, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/image/v2/images/{image_id}").json()
    return found


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [image["name"] for image in answer.json()["images"]]


def stored(cloud: Cloud) -> list[str]:
    """Every file in the store, parts included."""
    root = Path(cloud.conf.image.store_dir)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def assert_still_queued_and_empty(cloud: Cloud, client: httpx.Client, image_id: str) -> None:
    image = show(client, image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert stored(cloud) == []


def assert_html_error(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f"<title>{status} " in answer.text
    for word in words:
        assert word in answer.text


def test_versions_are_found_without_a_token(cloud: Cloud) -> None:
    for path, status in (("", 300), ("/", 300), ("/versions", 200), ("/v2", 300)):
        found = cloud.anonymous().get(f"/image{path}")
        assert found.status_code == status
        current = found.json()["versions"][0]
        assert (current["id"], current["status"]) == ("v2.9", "CURRENT")
        assert current["links"] == [{"rel": "self", "href": f"{cloud.url}/image/v2/"}]


def test_an_image_is_registered_filled_shown_and_read_back(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    data = qcow2(64 * MIB)
    made = create(demo, **{"owner_specified.openstack.md5": "x", "tags": ["b", "a", "b"]})
    assert made["status"] == "queued"
    assert made["visibility"] == "shared"
    assert made["owner"] == cloud.demo_project_id
    assert made["owner_specified.openstack.md5"] == "x"
    assert sorted(made["tags"]) == ["a", "b"]
    assert made["self"] == f"/v2/images/{made['id']}"
    assert demo.get(f"/image{made['file']}").status_code == 204

    assert upload(demo, made["id"], data).status_code == 204

    image = show(demo, made["id"])
    assert image["status"] == "active"
    assert (image["size"], image["virtual_size"]) == (len(data), 64 * MIB)
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    read = demo.get(f"/image{made['file']}")
    assert read.status_code == 200
    assert read.content == data
    assert read.headers["Content-MD5"] == image["checksum"]
    assert stored(cloud) == [made["id"]]


def test_a_large_upload_without_a_length_is_streamed(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo, disk_format="raw")
    pieces = [raw(300_001) for _ in range(20)]
    answer = demo.put(f"/image/v2/images/{made['id']}/file", content=iter(pieces), headers=DATA)
    assert answer.status_code == 204
    assert show(demo, made["id"])["checksum"] == hashlib.md5(b"".join(pieces)).hexdigest()


def test_a_raw_disk_may_have_a_partition_table(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo, disk_format="raw")
    assert upload(demo, made["id"], partitioned()).status_code == 204
    assert show(demo, made["id"])["virtual_size"] == MIB


@pytest.mark.parametrize(
    ("disk_format", "data", "words"),
    [
        ("qcow2", raw(), "Image disk_format qcow2 does not match stream data raw"),
        ("raw", qcow2(), "Image disk_format raw does not match stream data qcow2"),
        ("raw", vmdk(), "Image disk_format raw does not match stream data vmdk"),
        ("qcow2", qcow2(backing_offset=4096), "Image has a backing file"),
        ("qcow2", qcow2(incompatible=4), "Image has data_file set"),
        ("qcow2", qcow2(incompatible=1 << 40), "Unknown QCOW2 features found"),
    ],
)
def test_an_image_that_is_not_what_it_says_is_refused_and_stays_queued(
    cloud: Cloud, disk_format: str, data: bytes, words: str
) -> None:
    demo = cloud.client("demo")
    made = create(demo, disk_format=disk_format)
    assert_html_error(upload(demo, made["id"], data), 415, words)
    assert_still_queued_and_empty(cloud, demo, made["id"])
    right = qcow2() if disk_format == "qcow2" else raw()
    assert upload(demo, made["id"], right).status_code == 204


def test_an_upload_that_breaks_off_leaves_nothing(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo)
    where = urlparse(cloud.url)
    with socket.create_connection((where.hostname, where.port)) as line:
        head = (
            f"PUT /image/v2/images/{made['id']}/file HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
            f"Content-Type: application/octet-stream\r\nX-Auth-Token: {demo.headers['X-Auth-Token']}\r\n\r\n"
        )
        line.sendall(head.encode() + qcow2() * 40)
        line.shutdown(socket.SHUT_WR)
        # The answer (or the closing) comes when the server has noticed and cleaned up.
        while line.recv(4096):
            pass
    assert_still_queued_and_empty(cloud, demo, made["id"])
    assert upload(demo, made["id"], qcow2()).status_code == 204


def test_the_part_of_a_killed_upload_is_cleared_by_the_next(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    folder = Path(cloud.conf.image.store_dir) / "incoming"
    folder.mkdir(parents=True)
    (folder / f"{uuid4()}.0").write_bytes(b"left by a process that is no more")
    made = create(demo)
    assert upload(demo, made["id"], qcow2()).status_code == 204
    assert stored(cloud) == [made["id"]]


KILLED_WRITER = """
import os, sys
from uuid import UUID
from kcloud_api.conf.image import ImageConf
from kcloud_api.image import store
with store.incoming(ImageConf(store_dir=sys.argv[1]), UUID(sys.argv[2])) as part:
    part.write(b"half of an image")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_no_data_and_no_lock(cloud: Cloud) -> None:
    image_id = uuid4()
    folder = cloud.conf.image.store_dir
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, folder, str(image_id)], check=False)
    assert killed.returncode == -9
    assert [name.partition("/")[0] for name in stored(cloud)] == ["incoming"]
    assert not store.data_path(cloud.conf.image, image_id).exists()
    with store.incoming(cloud.conf.image, image_id):
        assert len(stored(cloud)) == 1
    assert stored(cloud) == []


def test_of_two_uploads_at_once_one_gets_in_whole(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo, disk_format="raw")
    disks = [raw(3 * MIB), raw(4 * MIB), raw(5 * MIB), raw(6 * MIB)]
    with ThreadPoolExecutor(len(disks)) as pool:
        answers = list(pool.map(lambda data: upload(demo, made["id"], data).status_code, disks))
    assert sorted(answers) == [204, 409, 409, 409]
    winner = disks[answers.index(204)]
    assert show(demo, made["id"])["os_hash_value"] == hashlib.sha512(winner).hexdigest()
    assert demo.get(f"/image{made['file']}").content == winner
    assert stored(cloud) == [made["id"]]


def test_too_large_an_image_is_refused(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo, disk_format="raw")
    object.__setattr__(cloud.conf.image, "max_size_gib", 1 / 1024)
    assert_html_error(upload(demo, made["id"], raw(2 * MIB)), 413, "The incoming image is too large")
    pieces = iter([raw(600_000)] * 4)
    answer = demo.put(f"/image/v2/images/{made['id']}/file", content=pieces, headers=DATA)
    assert_html_error(answer, 413, "The incoming image is too large")
    assert_still_queued_and_empty(cloud, demo, made["id"])
    with pytest.raises(TooLarge), store.incoming(cloud.conf.image, uuid4()) as part:
        part.write(raw(2 * MIB))


def test_data_goes_only_into_a_queued_image_with_formats(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    bare = demo.post("/image/v2/images", json={"name": "bare"}).json()
    assert_html_error(
        upload(demo, bare["id"], raw()),
        400,
        "Properties container_format, disk_format must be set prior to saving data.",
    )
    made = create(demo)
    wrong = demo.put(
        f"/image/v2/images/{made['id']}/file", content=b"x", headers={"Content-Type": "text/plain"}
    )
    assert_html_error(wrong, 415)
    assert upload(demo, made["id"], qcow2()).status_code == 204
    again = upload(demo, made["id"], qcow2())
    assert_html_error(again, 409, "Image status transition from active to saving is not allowed")


def test_lists_are_filtered_sorted_and_paged(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    for name in ("c", "a", "b", "d"):
        create(demo, name=name, flavour=f"of {name}", tags=[name])
    assert names(demo.get("/image/v2/images")) == ["d", "b", "a", "c"]
    assert names(demo.get("/image/v2/images?sort=name:asc")) == ["a", "b", "c", "d"]
    assert names(demo.get("/image/v2/images?name=a")) == ["a"]
    assert names(demo.get("/image/v2/images?name=in:a,b&sort=name:asc")) == ["a", "b"]
    assert names(demo.get("/image/v2/images?flavour=of b")) == ["b"]
    assert names(demo.get("/image/v2/images?tag=c")) == ["c"]
    assert names(demo.get("/image/v2/images?status=active")) == []
    assert names(demo.get("/image/v2/images?id=nothing")) == []
    assert names(demo.get("/image/v2/images?visibility=public")) == []
    assert names(demo.get(f"/image/v2/images?owner={cloud.admin_project_id}")) == []

    seen, path = [], "/v2/images?limit=3&sort_key=size&sort_dir=desc"
    while path:
        page = demo.get(f"/image{path}")
        seen += names(page)
        path = page.json().get("next")
    assert sorted(seen) == ["a", "b", "c", "d"]
    assert page.json()["schema"] == "/v2/schemas/images"
    assert_html_error(demo.get(f"/image/v2/images?marker={uuid4()}"), 400, "could not be found")


def test_the_filter_for_one_name_finds_only_ones_own(cloud: Cloud) -> None:
    create(cloud.client("admin"), name="secret")
    assert names(cloud.client("demo").get("/image/v2/images?name=secret")) == []
    assert names(cloud.client("admin").get("/image/v2/images?name=secret")) == ["secret"]


def test_another_projects_image_is_not_there(cloud: Cloud) -> None:
    admin, demo = cloud.client("admin"), cloud.client("demo")
    made = create(admin)
    upload(admin, made["id"], qcow2())
    path = f"/image/v2/images/{made['id']}"
    nowhere = uuid4()
    assert_html_error(demo.get(path), 404, f"No image found with ID {made['id']}")
    there, nothing = demo.get(path), demo.get(f"/image/v2/images/{nowhere}")
    assert there.text.replace(made["id"], "") == nothing.text.replace(str(nowhere), "")
    assert_html_error(demo.get(f"{path}/file"), 404)
    assert_html_error(demo.patch(path, content=b"[]", headers=PATCH), 404)
    assert_html_error(demo.delete(path), 404, f"Failed to find image {made['id']} to delete")
    assert_html_error(upload(demo, made["id"], qcow2()), 404)
    assert_html_error(demo.get(f"{path}/members"), 404)
    assert_html_error(demo.get(f"/image/v2/images?marker={made['id']}"), 400)


def test_public_images_are_an_admins_to_make_and_everybodys_to_read(cloud: Cloud) -> None:
    admin, demo = cloud.client("admin"), cloud.client("demo")
    refused = demo.post("/image/v2/images", json={"visibility": "public"})
    assert_html_error(refused, 403, "You are not authorized to complete publicize_image action.")
    made = create(admin, visibility="public")
    path = f"/image/v2/images/{made['id']}"
    upload(admin, made["id"], qcow2())
    assert demo.get(path).status_code == 200
    assert demo.get(f"{path}/file").content == qcow2()
    assert_html_error(demo.delete(path), 403, "You are not authorized to complete delete_image action.")
    assert_html_error(demo.patch(path, content=b"[]", headers=PATCH), 403)
    mine = create(demo)
    change = [{"op": "replace", "path": "/visibility", "value": "public"}]
    assert_html_error(demo.patch(f"/image/v2/images/{mine['id']}", json=change, headers=PATCH), 403)


def test_images_are_patched(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    path = f"/image/v2/images/{create(demo, a='1', b='2')['id']}"
    changes = [
        {"op": "replace", "path": "/name", "value": "renamed"},
        {"op": "add", "path": "/c", "value": "3"},
        {"op": "remove", "path": "/a"},
        {"op": "replace", "path": "/b", "value": "4"},
        {"op": "replace", "path": "/protected", "value": True},
    ]
    answer = demo.patch(path, json=changes, headers=PATCH)
    assert answer.status_code == 200
    image = answer.json()
    assert (image["name"], image["b"], image["c"], image["protected"]) == ("renamed", "4", "3", True)
    assert "a" not in image

    assert_html_error(demo.delete(path), 403, "is protected and cannot be deleted.")
    for change, status, words in (
        (
            {"op": "replace", "path": "/status", "value": "active"},
            403,
            "Attribute &#x27;status&#x27; is read-only.",
        ),
        ({"op": "replace", "path": "/nothing", "value": "x"}, 409, "Property nothing does not exist."),
        ({"op": "replace", "path": "/owner", "value": "x"}, 403, "Owner can&#x27;t be updated by non admin."),
        ({"op": "replace", "path": "/min_disk", "value": -1}, 400, "less than the minimum of 0"),
    ):
        assert_html_error(demo.patch(path, json=[change], headers=PATCH), status, words)
    wrong = demo.patch(path, json=changes)
    assert_html_error(wrong, 415, "Image PATCH expects Content-Type one of:")
    assert "json-patch" in wrong.headers["Accept-Patch"]
    assert_html_error(demo.patch(path, content=b"[", headers=PATCH), 400, "Malformed JSON in request body.")


def test_the_format_is_settled_once_there_is_data(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo)
    upload(demo, made["id"], qcow2())
    change = [{"op": "replace", "path": "/disk_format", "value": "raw"}]
    answer = demo.patch(f"/image/v2/images/{made['id']}", json=change, headers=PATCH)
    assert_html_error(answer, 403, "Attribute disk_format can be only replaced for a queued image.")


def test_delete_takes_the_data_along(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo)
    upload(demo, made["id"], qcow2())
    path = f"/image/v2/images/{made['id']}"
    assert demo.delete(path).status_code == 204
    assert stored(cloud) == []
    assert demo.get(path).status_code == 404
    assert_html_error(demo.delete(path), 404)
    assert names(demo.get("/image/v2/images")) == []
    create(demo, id=made["id"])


def test_data_that_a_crash_left_after_a_delete_goes_with_the_next(cloud: Cloud) -> None:
    from kcloud_api.image import service

    demo = cloud.client("demo")
    first, second = create(demo), create(demo)
    upload(demo, first["id"], qcow2())
    with cloud.database.transaction() as session:
        service.delete_image(session, UUID(first["id"]))
    assert stored(cloud) == [first["id"]]
    assert demo.get(f"/image/v2/images/{first['id']}").status_code == 404
    assert demo.delete(f"/image/v2/images/{second['id']}").status_code == 204
    assert stored(cloud) == []


def test_a_deactivated_image_is_read_by_admins_only(cloud: Cloud) -> None:
    admin, demo = cloud.client("admin"), cloud.client("demo")
    made = create(demo)
    path = f"/image/v2/images/{made['id']}"
    upload(demo, made["id"], qcow2())
    assert_html_error(demo.post(f"{path}/actions/deactivate"), 403)
    assert admin.post(f"{path}/actions/deactivate").status_code == 204
    assert show(demo, made["id"])["status"] == "deactivated"
    assert_html_error(demo.get(f"{path}/file"), 403, "has been deactivated")
    assert admin.get(f"{path}/file").status_code == 200
    assert admin.post(f"{path}/actions/reactivate").status_code == 204
    assert demo.get(f"{path}/file").status_code == 200


def test_tags_members_and_discovery(cloud: Cloud) -> None:
    demo = cloud.client("demo")
    made = create(demo)
    path = f"/image/v2/images/{made['id']}"
    assert demo.put(f"{path}/tags/blue").status_code == 204
    assert show(demo, made["id"])["tags"] == ["blue"]
    assert demo.delete(f"{path}/tags/blue").status_code == 204
    assert demo.delete(f"{path}/tags/blue").status_code == 404
    assert demo.get(f"{path}/members").json() == {"members": [], "schema": "/v2/schemas/members"}
    assert demo.get("/image/v2/schemas/image").json()["name"] == "image"
    assert demo.get("/image/v2/schemas/images").json()["properties"]["images"]["items"]["name"] == "image"
    assert demo.get("/image/v2/info/import").json()["import-methods"]["value"] == []
    assert demo.get("/image/v2/info/stores").json()["stores"][0]["id"] == "local"
    assert demo.get("/image/v2/metadefs/namespaces").json()["namespaces"] == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "Malformed JSON in request body."),
        (b"[]", 400, "Provided object does not match schema"),
        (b'{"name": "%s"}' % (b"n" * 300), 400, "is too long"),
        (b'{"disk_format": "vmdk"}', 400, "is not one of [None,"),
        (b'{"size": 5}', 403, "Attribute &#x27;size&#x27; is read-only."),
    ],
)
def test_what_no_image_can_be_is_refused(cloud: Cloud, body: bytes, status: int, words: str) -> None:
    answer = cloud.client("demo").post(
        "/image/v2/images", content=body, headers={"Content-Type": "application/json"}
    )
    assert_html_error(answer, status, words)


def test_an_id_in_use_is_a_conflict(cloud: Cloud) -> None:
    made = create(cloud.client("admin"))
    answer = cloud.client("demo").post("/image/v2/images", json={"id": made["id"]})
    assert_html_error(answer, 409, f"Image ID {made['id']} already exists!")


def test_the_data_of_images_is_for_the_services_eyes_only(cloud: Cloud) -> None:
    client = cloud.client()
    image = create(client, disk_format="raw", container_format="bare")
    assert upload(client, image["id"], b"\0" * MIB).status_code == 204
    folder = Path(cloud.conf.image.store_dir)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o700, "incoming": 0o700, image["id"]: 0o600}
