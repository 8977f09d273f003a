"""The fields of a catalogue entry: each takes what TOML gave, and returns it checked. Pure.

A check raises a ValueError that says what it wants; catalogue_schema adds where.
"""

import re
from collections.abc import Callable, Mapping

from vfio.catalogue_words import ANY_RESET, KINDS, PARTITIONS, QUIRKS, RESET_METHODS, SCRUBS, VENDOR_SCRUB

ID = re.compile(r"[0-9a-f]{4}\Z")
NAME = re.compile(r"[A-Z0-9_]{1,255}\Z")
_COMPANION = re.compile(r"(class:[0-9a-f]{4}|[0-9a-f]{4}:[0-9a-f]{4})\Z")
_MOST_PARTS = 64
_TOOL = re.compile(VENDOR_SCRUB + r"[a-z0-9-]+\Z")


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"want a text, not {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"want a list of texts, not {value!r}")
    return tuple(text(item) for item in value)


def _kind(value: object) -> str:
    if (kind := text(value)) not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(sorted(KINDS))}")
    return kind


def _memory(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise ValueError(f"want MiB, not {value!r}")
    return value


def _parts(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MOST_PARTS:
        raise ValueError(f"want 1 to {_MOST_PARTS} parts, not {value!r}")
    return value


def name(value: object) -> str:
    if not NAME.match(found := text(value)):
        raise ValueError(f"{found!r} is not a name (want A-Z, 0-9 and _)")
    return found


def _names(value: object) -> tuple[str, ...]:
    return tuple(name(word) for word in _texts(value))


def _companions(value: object) -> tuple[str, ...]:
    for word in (words := _texts(value)):
        if not _COMPANION.match(word):
            raise ValueError(f"{word!r} is neither class:0403 nor ids (10de:22a3)")
    return words


def _words(allowed: Mapping[str, str]) -> Callable[[object], frozenset[str]]:
    def check(value: object) -> frozenset[str]:
        for word in (words := _texts(value)):
            if word not in allowed:
                raise ValueError(f"{word!r} is none of {', '.join(sorted(allowed))}")
        return frozenset(words)

    return check


def _resets(value: object) -> tuple[str, ...] | None:
    methods = _texts(value)
    if methods == (ANY_RESET,):
        return None
    for method in methods:
        if method not in RESET_METHODS:
            raise ValueError(f"{method!r} is none of {', '.join(sorted(RESET_METHODS))}, {ANY_RESET}")
    return methods


def _scrub(value: object) -> str:
    if (found := text(value)) not in SCRUBS and not _TOOL.match(found):
        raise ValueError(f"{found!r} is none of {', '.join(SCRUBS)}, vendor:<tool>")
    return found


def _device_id(value: object) -> int:
    if not ID.match(found := text(value)):
        raise ValueError(f"want a device id of the same vendor, not {found!r}")
    return int(found, 16)


def _notes(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"want a table of texts, not {value!r}")
    return {word: text(note) for word, note in value.items()}


FIELDS: Mapping[str, Callable[[object], object]] = {
    "kind": _kind,
    "model": text,
    "family": text,
    "memory_mib": _memory,
    "mig_parts": _parts,
    "companions": _companions,
    "vf_of": _device_id,
    "partitions": _words(PARTITIONS),
    "reset_methods": _resets,
    "scrub": _scrub,
    "quirks": _words(QUIRKS),
    "traits": _names,
    "resource_class": name,
    "slice_class": name,
    "notes": _notes,
}
