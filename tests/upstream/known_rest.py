"""Upstream's tests of this area that do not pass yet: test to reason."""

from collections.abc import Mapping

KNOWN: Mapping[str, str] = {}
