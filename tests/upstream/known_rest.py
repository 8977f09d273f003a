"""Upstream's tests of this area that do not pass yet: test to reason."""

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {
    "basic-http::bad content length not int": (
        "gabbi's own HTTP client refuses to send a Content-Length of `hi mom`; an HTTP server that got it "
        "could not know where the request ends: it answers 400 before any service sees it"
    ),
}
