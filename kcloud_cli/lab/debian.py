"""Debian packages for images, out of a private view of the archive: the host's apt state is left alone."""

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab.cache import locked, under_construction
from kcloud_cli.lab.process import LabError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LISTS_ARE_FRESH_SECONDS = 14 * 86400


@dataclass(frozen=True, slots=True)
class Suite:
    """One release of Debian (`bookworm`, `trixie`), main, amd64, with its lists under `folder`."""

    name: str
    folder: Path
    mirror: str

    @property
    def source_line(self) -> str:
        return f"deb [arch=amd64 signed-by={KEYRING}] {self.mirror} {self.name} main"


def mirror_of_host(environ: Mapping[str, str] = os.environ, etc: Path = Path("/etc/apt")) -> str:
    """`$KCLOUD_DEBIAN_MIRROR`, else where this host's own apt gets Debian from."""
    if chosen := environ.get("KCLOUD_DEBIAN_MIRROR"):
        return chosen.rstrip("/")
    for source in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if source.suffix in {".list", ".sources"} and source.is_file():
            for found in _ARCHIVES.findall(source.read_text()):
                if mirror := _resolved(found):
                    return mirror
    raise LabError(f"{etc} names no Debian mirror: set KCLOUD_DEBIAN_MIRROR to one, http://HOST/debian")


_ARCHIVES = re.compile(r"^(?:deb\s.*?|URIs:\s*)(https?://\S+/debian|mirror\+file:/\S+)/?(?=\s)", re.MULTILINE)


def _resolved(archive: str) -> str | None:
    """Cloud images name a file that lists mirrors (`mirror+file:`), one a line; others name the mirror."""
    if not archive.startswith("mirror+file:"):
        return archive
    listed = Path(archive.removeprefix("mirror+file:"))
    words = listed.read_text().split() if listed.is_file() else []
    return next((word.rstrip("/") for word in words if word.rstrip("/").endswith("/debian")), None)


def open_suite(cache: Path, name: str) -> Suite:
    """The suite with its lists there: fetched when absent, renewed when old and the network allows."""
    if not KEYRING.exists():
        raise LabError("apt-get install -y debian-archive-keyring: the lab verifies what it downloads")
    suite = Suite(name, cache / "apt" / name, mirror_of_host())
    with locked(cache / "apt" / f".{name}.lock"):
        source = suite.folder / "sources.list"
        current = source.exists() and source.read_text() == suite.source_line
        if current and time.time() - source.stat().st_mtime < LISTS_ARE_FRESH_SECONDS:
            return suite
        for part in ("lists/partial", "cache/archives/partial"):
            (suite.folder / part).mkdir(parents=True, exist_ok=True)
        pending = suite.folder / "sources.list.new"
        pending.write_text(suite.source_line)
        try:
            run(["apt-get", *_options(suite, pending), "-qq", "update"])
        except LabError:
            if not current:
                raise
        pending.rename(source)
    return suite


def versions(suite: Suite, packages: Iterable[str]) -> dict[str, str]:
    """Newest version of each package; LabError names the ones that the suite lacks."""
    wanted = list(packages)
    shown = run(["apt-cache", *_options(suite), "--no-all-versions", "show", *wanted])
    found: dict[str, str] = {}
    for paragraph in shown.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version): (.+)$", paragraph, re.M))
        if fields:
            found.setdefault(fields["Package"], fields["Version"])
    if missing := [name for name in wanted if name not in found]:
        raise LabError(f"Debian {suite.name} has no package {', '.join(missing)} at {suite.mirror}")
    return {name: found[name] for name in wanted}


def kernel_package(suite: Suite, meta: str) -> str:
    """The package that a kernel's meta package (`linux-image-cloud-amd64`) stands for today."""
    shown = run(["apt-cache", *_options(suite), "--no-all-versions", "show", meta])
    found = re.search(r"^Depends: (linux-image-\S+)", shown, re.M)
    if not found:
        raise LabError(f"Debian {suite.name}: {meta} names no kernel")
    return found.group(1)


def unpacked(cache: Path, suite: Suite, package: str, version: str) -> Path:
    """The package's files in a folder of the cache; no maintainer script has run."""
    target = cache / "packages" / f"{package}_{version}".replace(":", ".")
    with under_construction(target) as work:
        if work is not None:
            archive = download(suite, package, version, work)
            run(["dpkg", "-x", archive, work])
            archive.unlink()
    return target


def download(suite: Suite, package: str, version: str, folder: Path) -> Path:
    """The package's archive, in a folder that holds no other."""
    run(["apt-get", *_options(suite), "-qq", "download", f"{package}={version}"], cwd=folder)
    (archive,) = folder.glob("*.deb")
    return archive


def _options(suite: Suite, source: Path | None = None) -> list[str]:
    """Options go last on apt's list of sources of truth: the host's apt.conf.d cannot undo them."""
    settings = {
        "Dir::Etc::sourcelist": source or suite.folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": suite.folder / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": suite.folder / "cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "APT::Update::Post-Invoke-Success": "",
        "Acquire::Languages": "none",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
