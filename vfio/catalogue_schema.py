"""Reads one catalogue's text into facts with their sources; an error names file, entry and field. Pure."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from vfio.catalogue_fields import FIELDS, ID, NAME, text

VERSION = 2
_OF_A_VENDOR = frozenset({"id", "name", "family", "device"})
"""What is no fact in a vendor's table."""
_ENTRY = re.compile(r"([0-9a-f]{4})(?:/([0-9a-f]{4}):([0-9a-f]{4}))?\Z")

EntryKey = tuple[int, tuple[int, int] | None]
"""Device id, and the subsystem's vendor and device where an entry is for one board only."""


@dataclass(frozen=True, slots=True)
class Fact:
    value: object
    source: str


Facts = dict[str, Fact]


@dataclass(slots=True)
class VendorEntry:
    """All that one or more files say of a vendor."""

    file: str = ""
    """The last that says something of it."""
    name: str = ""
    facts: Facts = field(default_factory=dict)
    """Of every device, unless its family or its own entry says otherwise."""
    families: dict[str, Facts] = field(default_factory=dict)
    devices: dict[EntryKey, Facts] = field(default_factory=dict)


@dataclass(slots=True)
class _Table:
    """One TOML table with facts: checks fields, and says where a mistake is."""

    file: str
    entry: str
    raw: Mapping[str, object]
    outer: tuple[Mapping[str, object], ...] = ()
    """`source` values of what it lies in, nearest first."""
    sources: Mapping[str, str] = field(default_factory=dict)
    default_source: str = ""

    def fail(self, name: str, why: str) -> ValueError:
        return ValueError(f"{self.file}: {self.entry}: {name}: {why}")

    def facts(self, *, besides: frozenset[str] = frozenset()) -> Facts:
        facts: Facts = {}
        for name, value in self.raw.items():
            if name == "source" or name in besides:
                continue
            if name not in FIELDS:
                raise self.fail(name, f"is no field (fields: {', '.join(sorted(FIELDS))})")
            try:
                facts[name] = Fact(FIELDS[name](value), self._source_of(name))
            except ValueError as error:
                raise self.fail(name, str(error)) from None
        return facts

    def _source_of(self, name: str) -> str:
        for level in (self.raw, *self.outer):
            source = level.get("source", {})
            if isinstance(source, dict):
                source = source.get(name)
            if source is not None:
                if not isinstance(source, str):
                    raise self.fail("source", f"want a text, or a table of fact to text, not {source!r}")
                return "; ".join(self.sources.get(part, part) for part in source.split("; "))
        return self.default_source


def read_catalogue(toml: str, file: str, *, default_source: str = "") -> dict[int, VendorEntry]:
    """ValueError names file, entry and field. `default_source` is of facts for which the file names none."""
    try:
        raw = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: {error}") from None
    if raw.get("version") != VERSION:
        raise ValueError(f"{file}: version: {raw.get('version')!r} is not known here (want {VERSION})")
    if unknown := raw.keys() - {"version", "sources", "vendor"}:
        raise ValueError(f"{file}: {min(unknown)}: is no table of a catalogue (want sources, vendor)")
    top = _Table(file, "sources", raw, (), {}, default_source)
    sources = {name: text(value) for name, value in _tables(top, "sources").items()}
    listed = raw.get("vendor", [])
    if not isinstance(listed, list):
        raise ValueError(f"{file}: vendor: want [[vendor]] tables")
    vendors: dict[int, VendorEntry] = {}
    for number, table in enumerate(listed, 1):
        key, entry = _vendor(_Table(file, f"vendor {number}", table, (), sources, default_source))
        if key in vendors:
            raise ValueError(f"{file}: vendor {key:04x}: id: is listed twice")
        vendors[key] = entry
    return vendors


def _vendor(table: _Table) -> tuple[int, VendorEntry]:
    vendor_id = table.raw.get("id")
    if not isinstance(vendor_id, str) or not ID.match(vendor_id):
        raise table.fail("id", f"want four lower-case hex digits, not {vendor_id!r}")
    table.entry = f"vendor {vendor_id}"
    name = table.raw.get("name", "")
    if name and not (isinstance(name, str) and NAME.match(name)):
        raise table.fail("name", f"{name!r} is not a name (want A-Z, 0-9 and _)")
    found = VendorEntry(file=table.file, name=str(name), facts=table.facts(besides=_OF_A_VENDOR))
    families = _tables(table, "family")
    for title, raw in families.items():
        found.families[title] = _inside(table, f"vendor {vendor_id}, family {title}", raw).facts()
    for device, raw in _tables(table, "device").items():
        entry = f"device {vendor_id}:{device}"
        match = _ENTRY.match(device)
        if match is None:
            raise table.fail(entry, "want a device id (20b5), or one with a subsystem (25b6/10de:14a9)")
        inner = _inside(table, entry, raw)
        family = inner.raw.get("family")
        if isinstance(family, str) and isinstance(families.get(family), dict):
            inner.outer = (_table(inner, family, families[family]), *inner.outer)
        board = (int(match[2], 16), int(match[3], 16)) if match[2] else None
        found.devices[int(match[1], 16), board] = inner.facts()
    return int(vendor_id, 16), found


def _inside(table: _Table, entry: str, raw: object) -> _Table:
    inner = _Table(table.file, entry, {}, (table.raw,), table.sources, table.default_source)
    inner.raw = _table(inner, "entry", raw)
    return inner


def _tables(table: _Table, name: str) -> Mapping[str, object]:
    return _table(table, name, table.raw.get(name, {}))


def _table(where: _Table, name: str, raw: object) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise where.fail(name, f"want a table, not {raw!r}")
    return raw
