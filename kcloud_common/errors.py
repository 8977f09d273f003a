"""The errors that kcloud raises, named for what the caller can do about them.

    KcloudError
    |- BadRequest            the request is wrong; names the field
    |- Unauthenticated       no valid credential
    |- Forbidden             a valid credential that may not do this
    |- NotFound              no such thing, or not for you
    |- Conflict              the thing's state does not allow it
    |  |- AlreadyExists
    |  |- StaleGeneration    somebody wrote first: read again, then retry
    |  |- OutOfCapacity      the claim no longer fits
    |- TooLarge              a limit on size or quota
    |- NoCandidates          nowhere to place it; carries the reasons
    |- TemporaryError        worth another turn of the loop
    |  |- Unavailable        a part that we need does not answer
    |- PermanentError        not worth another turn: a person must act

Errors know nothing of HTTP (the controller and the agent raise them too); kcloud_api.http.errors maps a
class to a status. `code` is stable: scripts may rely on it.
"""

from typing import ClassVar


class KcloudError(Exception):
    """Base of all. `message` says what, why and what to do; `details` are machine-readable facts."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequest(KcloudError):
    """The request is wrong. Pass `field=` where one field is to blame."""

    code = "bad_request"


class Unauthenticated(KcloudError):
    code = "unauthenticated"


class Forbidden(KcloudError):
    code = "forbidden"


class NotFound(KcloudError):
    code = "not_found"


class Conflict(KcloudError):
    code = "conflict"


class AlreadyExists(Conflict):
    code = "already_exists"


class StaleGeneration(Conflict):
    code = "stale_generation"


class OutOfCapacity(Conflict):
    code = "out_of_capacity"


class TooLarge(KcloudError):
    code = "too_large"


class NoCandidates(KcloudError):
    """No host can take it; `details["reasons"]` says why each could not."""

    code = "no_candidates"


class TemporaryError(KcloudError):
    """A loop should try again at its next turn."""

    code = "temporary"


class Unavailable(TemporaryError):
    code = "unavailable"


class PermanentError(KcloudError):
    """A loop should give up and say so."""

    code = "permanent"
