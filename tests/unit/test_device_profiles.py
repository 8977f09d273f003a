"""What device profiles may ask for."""

import pytest

from kcloud_api.accelerator.cyborg.groups import checked_groups, checked_name
from kcloud_common.errors import BadRequest

GPU = {"resources:PGPU": "1"}


def test_groups_are_kept_as_texts_without_spaces_under_the_names_that_placement_knows() -> None:
    asked: list[dict[str, object]] = [
        {"resources: PGPU ": 1, "trait: CUSTOM_X": "required"},
        {"resources:CUSTOM_AICHIP": "02"},
    ]
    assert checked_groups(asked) == [
        {"resources:PGPU": "1", "trait:CUSTOM_X": "required"},
        {"resources:CUSTOM_NPU": "2"},
    ]


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({}, "must ask for a resource class"),
        ({"trait:CUSTOM_X": "required"}, "must ask for a resource class"),
        ({"resources:PGPU": "many"}, "many is invalid"),
        ({"resources:PGPU": "-1"}, "-1 is invalid"),
        ({"resources:PGPU": "0"}, "0 is invalid"),
        ({"resources:PGPU": "9" * 5000}, "is invalid"),
        ({"resources:GPUS": "1"}, "resource class GPUS"),
        ({"resources:VCPU": "1"}, "resource class VCPU"),
        ({"resources:PGPU": "1", "resources: PGPU": "2"}, "PGPU twice"),
        ({**GPU, "trait:CUSTOM_Y": "maybe"}, "trait value maybe"),
        ({**GPU, "trait:fast": "required"}, "trait name format fast"),
        ({**GPU, "accel:bitstream_id": "1"}, "no FPGAs"),
        ({**GPU, "other": "1"}, "of the form"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_with_the_reason(group: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        checked_groups([group])


def test_a_profile_has_one_group_at_least_and_64_at_most() -> None:
    for count in (0, 65):
        with pytest.raises(BadRequest, match="group"):
            checked_groups([GPU] * count)
    assert len(checked_groups([GPU] * 64)) == 64


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x\n", "x" * 256])
def test_a_name_is_made_of_letters_digits_dashes_and_underscores(name: str) -> None:
    with pytest.raises(BadRequest, match="of the form"):
        checked_name(name)
    assert checked_name("a-B_9") == "a-B_9"
