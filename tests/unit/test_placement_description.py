"""The description that placement publishes of itself."""

from fastapi.routing import iter_route_contexts

from kcloud_api.placement.description import description
from kcloud_api.placement.routes import build

APP = build()
DESCRIBED = description(APP.openapi(), "/placement")


def test_it_has_every_route_and_no_other() -> None:
    routes = {
        (method.lower(), found.path)
        for found in iter_route_contexts(APP.routes)
        for method in found.methods or ()
    }
    assert routes == {(verb, path) for path, verbs in DESCRIBED["paths"].items() for verb in verbs}


def test_it_says_since_when_there_is_what() -> None:
    paths = DESCRIBED["paths"]
    assert "x-min-version" not in paths["/resource_providers"]["get"]
    assert paths["/reshaper"]["post"]["x-min-version"] == "1.30"
    assert paths["/resource_providers/{uuid}/inventories"]["delete"]["x-min-version"] == "1.5"
    assert DESCRIBED["info"]["version"] == "1.39"
    assert DESCRIBED["servers"] == [{"url": "/placement"}]


def test_it_promises_no_status_that_the_service_does_not_give() -> None:
    for verbs in DESCRIBED["paths"].values():
        for operation in verbs.values():
            assert operation["responses"].keys() == {"2XX", "4XX"}


def test_every_reference_leads_somewhere() -> None:
    def references(within: object) -> set[str]:
        if isinstance(within, dict):
            own = {within["$ref"]} if "$ref" in within else set()
            return own.union(*map(references, within.values()))
        return set().union(*map(references, within)) if isinstance(within, list) else set()

    found = references(DESCRIBED)
    assert found == {"#/components/parameters/Version", "#/components/schemas/Errors"}
    for reference in found:
        place = DESCRIBED
        for name in reference.split("/")[1:]:
            place = place[name]
