"""The agent as one archive: the packages that a host runs, and what Python finds entry points by."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("kcloud_common", "kcloud_compute", "hypervisor_drivers", "vfio")
COMMAND_FILES = ("__init__.py", "main.py", "doctor.py", "doctor_checks.py", "doctor_told.py")
"""Of kcloud_cli: the `kcloud doctor` that a host has."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """`digest` names the release on the host: equal digests are equal content."""

    digest: str
    data: bytes


def bundle() -> Bundle:
    """Of the kcloud that runs here, installed or in a source tree."""
    files = {
        path.as_posix(): data for package in PACKAGES for path, data in _package_files(package, None).items()
    }
    files |= {path.as_posix(): data for path, data in _package_files("kcloud_cli", COMMAND_FILES).items()}
    info = f"kcloud-{version('kcloud')}.dist-info"
    for name in ("METADATA", "entry_points.txt"):
        files[f"{info}/{name}"] = (distribution("kcloud").read_text(name) or "").encode()
    data = archive(files)
    return Bundle(hashlib.sha256(data).hexdigest()[:16], data)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz that depends on names and content alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def _package_files(package: str, only: tuple[str, ...] | None) -> dict[Path, bytes]:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"package {package} is not installed here")
    root = Path(next(iter(found.submodule_search_locations)))
    return {
        Path(package) / path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and (only is None or path.relative_to(root).as_posix() in only)
    }
