"""What may be said about an image: attributes, patches, and the query of a list."""

import pytest

from kcloud_api.image.attributes import checked
from kcloud_api.image.patch import Change, apply_patch, read_patch
from kcloud_api.image.query import read_listing
from kcloud_common.errors import BadRequest, Conflict, Forbidden, KcloudError

FORMATS = ("qcow2", "raw")


def test_what_is_no_attribute_is_a_custom_property() -> None:
    document = {"name": "a", "owner_specified.openstack.md5": "x", "min_ram": 5}
    assert checked(document, FORMATS) == document


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ({"name": "n" * 300}, BadRequest, "is too long"),
        ({"name": 5}, BadRequest, "5 is not of type 'null', 'string'"),
        ({"min_disk": -1}, BadRequest, "-1 is less than the minimum of 0"),
        ({"min_disk": "5"}, BadRequest, "'5' is not of type 'integer'"),
        ({"protected": "yes"}, BadRequest, "'yes' is not of type 'boolean'"),
        ({"disk_format": "vmdk"}, BadRequest, "'vmdk' is not one of [None, 'qcow2', 'raw']"),
        ({"container_format": "ovf"}, BadRequest, "'ovf' is not one of"),
        ({"visibility": "secret"}, BadRequest, "'secret' is not one of"),
        ({"id": "not-a-uuid"}, BadRequest, "'not-a-uuid' does not match"),
        ({"custom": 5}, BadRequest, "5 is not of type 'null', 'string'"),
        ({"k" * 256: "v"}, BadRequest, "Custom property should not be greater than 255"),
        ({"status": "active"}, Forbidden, "Attribute 'status' is read-only."),
        ({"checksum": "0" * 32}, Forbidden, "Attribute 'checksum' is read-only."),
        ({"locations": []}, Forbidden, "Attribute 'locations' is read-only."),
        ({"deleted": True}, Forbidden, "Attribute 'deleted' is reserved."),
        ({"os_glance_import_task": "x"}, Forbidden, "Attribute 'os_glance_import_task' is reserved."),
    ],
)
def test_unfit_attributes_are_refused_by_name(
    document: dict[str, object], error: type[KcloudError], words: str
) -> None:
    with pytest.raises(error) as refused:
        checked(document, FORMATS)
    assert words in refused.value.message


def test_a_patch_is_read_in_both_drafts() -> None:
    newer = [{"op": "replace", "path": "/name", "value": "b"}, {"op": "remove", "path": "/a~1b"}]
    older = [{"replace": "/name", "value": "b"}, {"remove": "/a~1b"}]
    expected = (Change("replace", "name", "b"), Change("remove", "a/b"))
    assert read_patch(newer, 10, FORMATS) == read_patch(older, 4, FORMATS) == expected


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({}, "Request body must be a JSON array of operation objects."),
        ([5], "Operations must be JSON objects."),
        ([{}], "Unable to find `op` in JSON Schema change."),
        ([{"op": "move", "path": "/name"}], "Invalid operation: `move`."),
        ([{"op": "add"}], "Unable to find 'path' in JSON Schema change"),
        ([{"op": "add", "path": "name"}], 'Pointer `name` does not start with "/".'),
        ([{"op": "add", "path": "/a~2"}], 'Pointer `/a~2` contains "~" not part of'),
        ([{"op": "add", "path": "/a/b", "value": "x"}], "Invalid JSON pointer for this resource: '/a/b'"),
        ([{"op": "add", "path": "/name"}], 'Operation "add" requires a member named "value".'),
    ],
)
def test_malformed_patches_are_refused(patch: object, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_patch(patch, 10, FORMATS)
    assert refused.value.message.startswith(words)


def test_a_patch_changes_attributes_and_properties_without_touching_what_it_was_given() -> None:
    base, properties = {"name": "a"}, {"x": "1", "y": "2"}
    changes = (Change("replace", "name", "b"), Change("remove", "x"), Change("add", "z", "3"))
    assert apply_patch(base, properties, changes) == ({"name": "b"}, {"y": "2", "z": "3"})
    assert (base, properties) == ({"name": "a"}, {"x": "1", "y": "2"})


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (Change("remove", "name"), Forbidden, "Property name may not be removed."),
        (Change("remove", "x"), Conflict, "Property x does not exist."),
        (Change("replace", "x", "1"), Conflict, "Property x does not exist."),
        (Change("replace", "id", "1"), Forbidden, "Attribute 'id' is read-only."),
    ],
)
def test_impossible_changes_are_refused(change: Change, error: type[KcloudError], words: str) -> None:
    with pytest.raises(error) as refused:
        apply_patch({"name": "a"}, {}, (change,))
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ([("limit", "x")], "limit param must be an integer"),
        ([("limit", "-1")], "limit param must be positive"),
        ([("marker", "x")], "Marker x could not be found."),
        ([("sort", "colour")], "Invalid sort key: colour."),
        ([("sort", "name:up")], "Invalid sort direction: up"),
        ([("sort", "name"), ("sort_key", "name")], "Old and new sorting syntax cannot be combined"),
        ([("sort_key", "name"), ("sort_dir", "asc"), ("sort_dir", "asc")], "Number of sort dirs"),
        ([("visibility", "secret")], "Invalid visibility value: secret"),
        ([("protected", "maybe")], "Invalid value 'maybe' for 'protected' filter."),
        ([("size_min", "many")], "Invalid value 'many' for 'size_min' filter"),
        ([('a"b', "x")], "Unable to filter by"),
    ],
)
def test_bad_queries_are_refused(query: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_listing(query)
    assert refused.value.message.startswith(words)


def test_a_page_is_bounded_and_sorted_as_asked() -> None:
    listing = read_listing([("limit", "5000"), ("sort", "name:asc,size")])
    assert listing.limit == 1000
    assert listing.sort == (("name", "asc"), ("size", "desc"))
    both = read_listing([("sort_key", "name"), ("sort_key", "size"), ("sort_dir", "asc")])
    assert both.sort == (("name", "asc"), ("size", "asc"))
    assert read_listing([("name", "in:a,b")]).equal == {"name": ("a", "b")}
