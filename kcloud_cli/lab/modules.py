"""Kernel modules for the lab host: built here, from sources of a caller's, against the lab host's own kernel.

A source may include the kernel's sample drivers (`samples/vfio-mdev`), which are taken out of Debian's source
package at build time. Nothing is installed on this machine: headers, tools and the libraries that these need
(they may be newer than this machine's) are packages unpacked into the cache.
"""

import re
import shutil
from pathlib import Path

from kcloud_cli.lab import host_image
from kcloud_cli.lab.cache import cache_root, digest, sources, under_construction
from kcloud_cli.lab.debian import Suite, download, open_suite, unpacked, versions
from kcloud_cli.lab.process import LabError, phase, require, run

SAMPLES = "samples/vfio-mdev"
TOOLS = {"make": "make", "gcc": "gcc", "xz": "xz-utils", "dpkg": "dpkg", "tar": "tar"}
LIBRARIES = ("libc6", "libelf1t64", "zlib1g", "libzstd1")
FOREIGN_TOOLS = ("scripts/mod/modpost", "tools/objtool/objtool")
"""Programs of the headers that may need a newer C library than this machine has."""
SETTINGS = (
    "CC=gcc",
    # An option of compilers newer than this machine's may be.
    "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",
    # Needs the kernel's own debugging information, and nobody here reads it.
    "CONFIG_DEBUG_INFO_BTF_MODULES=",
)


def built(folder: Path, suite_name: str = "trixie") -> Path:
    """A folder with `NAME.ko` for each module of the `Kbuild` in `folder`, for the lab host's kernel."""
    require(TOOLS)
    cache = cache_root()
    suite = open_suite(cache, suite_name)
    release = host_image.packages(suite).kernel.removeprefix("linux-image-")
    headers = _headers(cache, suite, release)
    own = sources(folder, "Kbuild", "*.c", "*.h")
    target = cache / "lab" / f"modules-{digest([*own, headers.name, *SETTINGS])}"
    with under_construction(target) as work:
        if work is not None:
            with phase("lab host: kernel modules"):
                for path in (
                    *folder.glob("Kbuild"),
                    *folder.glob("*.[ch]"),
                    *(headers / SAMPLES).glob("*.[ch]"),
                ):
                    shutil.copy(path, work)
                where = headers / "usr/src" / f"linux-headers-{release}"
                run(["make", "-C", where, f"M={work}", *SETTINGS, "modules"])
    return target


def _headers(cache: Path, suite: Suite, release: str) -> Path:
    """What a module is built with: headers, kbuild, the samples; usable where it lies."""
    base = re.match(r"\d+\.\d+", release)
    if base is None:
        raise LabError(f"kernel {release} has no version that a source package could be named after")
    common = release.removesuffix("-amd64")
    packages = (f"linux-headers-{release}", f"linux-headers-{common}-common", f"linux-kbuild-{common}")
    source = f"linux-source-{base[0]}"
    found = versions(suite, [*packages, source, *LIBRARIES])
    target = cache / "lab" / f"headers-{digest(f'{name}={version}' for name, version in found.items())}"
    libraries = [unpacked(cache, suite, name, found[name]) for name in LIBRARIES]
    with under_construction(target) as work:
        if work is not None:
            with phase("lab host: kernel headers and sample drivers"):
                for package in packages:
                    archive = download(suite, package, found[package], work)
                    run(["dpkg", "-x", archive, work])
                    archive.unlink()
                _point_to(work / "usr/src" / f"linux-headers-{release}/Makefile", work, target)
                for tool in FOREIGN_TOOLS:
                    _wrap(work / "usr/lib" / f"linux-kbuild-{common}" / tool, work, target, libraries)
                _take_samples(download(suite, source, found[source], work), work)
    return target


def _point_to(makefile: Path, work: Path, target: Path) -> None:
    """Debian's headers expect to lie in /usr/src."""
    makefile.write_text(makefile.read_text().replace("include /usr/", f"include {target}/usr/"))


def _wrap(tool: Path, work: Path, target: Path, libraries: list[Path]) -> None:
    """Run the program under the C library of its own release."""
    real = {"modpost": "modpost.real-lsb-64", "objtool": "objtool.real-x86"}[tool.name]
    folders = [found for root in libraries for found in root.glob("**/x86_64-linux-gnu") if found.is_dir()]
    loader = next(found for folder in folders for found in folder.glob("ld-linux-x86-64.so.2"))
    path = ":".join(str(folder) for folder in folders)
    program = target / tool.with_name(real).relative_to(work)
    tool.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{path}" "{program}" "$@"\n')
    tool.chmod(0o755)


def _take_samples(archive: Path, work: Path) -> None:
    """A few files of 1.5 GB: the package is read once, and not unpacked."""
    source = archive.name.split("_")[0]
    unpack = 'tar xJ -C "$3" --strip-components=1 "$2/$4"'
    script = f'dpkg --fsys-tarfile "$1" | tar xO "./usr/src/$2.tar.xz" | {unpack}'
    run(["sh", "-c", script, "sh", archive, source, work, SAMPLES])
    archive.unlink()
