"""Where built things are kept: one folder per artefact, named after a digest of everything it was made from.

An artefact's folder is complete or absent: it is built beside its place and renamed.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kcloud_cli.lab.process import run_as_root


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """`$KCLOUD_CACHE`, else `kcloud` in the user's cache folder."""
    if chosen := environ.get("KCLOUD_CACHE"):
        return Path(chosen).absolute()
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).absolute() / "kcloud"


def digest(parts: Iterable[str | bytes]) -> str:
    """Sixteen hex digits over parts in order; lengths are hashed too, so that parts cannot run together."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.hexdigest()[:16]


def sources(folder: Path, *patterns: str) -> list[bytes]:
    """Content of the builder's own files that an artefact depends on: a change in them makes a new one."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return [path.read_bytes() for path in files]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (created beside its content); waits for another holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def under_construction(target: Path) -> Iterator[Path | None]:
    """A folder to build `target` in; renamed into place at the end. None when somebody has built it already.

    Left-overs of an interrupted build are removed by the next one, which holds the same lock.
    """
    with locked(target.parent / f".{target.name}.lock"):
        if target.exists():
            yield None
            return
        partial = target.parent / f".{target.name}.partial"
        remove_tree(partial)
        partial.mkdir(parents=True)
        try:
            yield partial
        except BaseException:
            remove_tree(partial)
            raise
        partial.rename(target)


def forget_old(folder: Path, kind: str, *, keep: int) -> None:
    """Of the artefacts `KIND-digest` in `folder`, remove all but the `keep` that were made last."""
    made = sorted(folder.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for artefact in made[keep:]:
        remove_tree(artefact)
        (folder / f".{artefact.name}.lock").unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder that may not exist, with what root wrote in it; nothing may be mounted below it."""
    if folder.is_symlink() or not folder.exists():
        folder.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(folder)
    except PermissionError:
        run_as_root(["rm", "-rf", "--one-file-system", folder])
