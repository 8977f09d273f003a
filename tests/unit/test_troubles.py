"""What a report says of work that fails again and again, or does not end."""

from datetime import UTC, datetime

from kcloud_compute.troubles import Troubles

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_fails_is_told_with_its_reason_its_tries_and_the_next_until_it_works() -> None:
    troubles = Troubles()
    troubles.failed("gpu", "no driver", AT)
    assert troubles.told() == {"gpu": "no driver; try 1 failed, the next at 2030-01-02T03:04:05Z"}
    troubles.failed("gpu", "busy", None)
    assert troubles.told() == {"gpu": "busy; try 2 failed, there will be no other"}
    troubles.ended(["gpu", "another"])
    assert troubles.told() == {}


def test_what_is_of_no_device_is_not_told_of_any() -> None:
    troubles = Troubles()
    troubles.failed("", "no driver", AT)
    assert troubles.told() == {}


def test_a_step_that_does_not_end_is_told_with_when_it_began_and_goes_before_older_words() -> None:
    troubles = Troubles()
    troubles.failed("gpu", "busy", AT)
    told = troubles.told({"gpu": ("release", AT.timestamp())})["gpu"]
    assert told.startswith("release has not ended since 2030-01-02T03:04:05Z")
    assert "dmesg" in told
