"""The mounted whole: the catalog leads to services that answer, and every service knows the same callers."""

import httpx
import pytest

from tests.functional.conftest import Cloud

PROTECTED = (
    "/identity/v3/users",
    "/compute/v2.1/servers",
    "/image/v2/images",
    "/placement/resource_providers",
    "/kcloud/v1/hosts",
)


def test_every_endpoint_of_the_catalog_answers(cloud: Cloud) -> None:
    admin = cloud.client("admin")
    catalog = admin.get("/identity/v3/auth/catalog").json()["catalog"]
    urls = {entry["type"]: entry["endpoints"][0]["url"] for entry in catalog}
    assert set(urls) >= {"identity", "compute", "image", "placement", "kcloud"}
    for kind, url in urls.items():
        assert url.startswith(cloud.url), kind
        if kind != "kcloud":
            assert admin.get(url).status_code in (200, 300), url


@pytest.mark.parametrize("path", PROTECTED)
def test_without_a_token_or_with_a_wrong_one_it_is_401(cloud: Cloud, path: str) -> None:
    anonymous = cloud.anonymous()
    for headers in ({}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": "gAAAAA" + "x" * 150}):
        answer = anonymous.get(path, headers=headers)
        assert answer.status_code == 401, (path, headers)
        assert answer.headers["WWW-Authenticate"].startswith("Keystone")
        assert answer.headers["X-OpenStack-Request-ID"].startswith("req-")


@pytest.mark.parametrize("path", PROTECTED)
def test_the_admins_token_opens_every_service(cloud: Cloud, path: str) -> None:
    assert cloud.client("admin").get(path).status_code == 200


def test_a_rule_is_defined_for_everything_that_the_routes_ask(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    for client in (cloud.client("admin"), cloud.client("demo"), cloud.client("admin", system=True)):
        for path in PROTECTED:
            client.get(path)
    assert "policy_rule_unknown" not in caplog.text


def test_a_project_scoped_and_a_system_scoped_token_can_both_be_had(cloud: Cloud) -> None:
    for system in (False, True):
        answer = httpx.get(
            f"{cloud.url}/identity/v3/auth/tokens",
            headers={
                "X-Auth-Token": cloud.token("admin", system=system),
                "X-Subject-Token": cloud.token("admin", system=system),
            },
        )
        assert ("system" in answer.json()["token"]) is system
