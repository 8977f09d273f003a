"""Pictures of a folder: all that is in it, to compare and to put back; and what of it a power cut leaves.

What was not synced is lost, as strictly as POSIX lets it be: a file's content counts from its last fsync, a
name from its folder's.
"""

import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER, FILE, LINK, SAME = "folder", "file", "link", "same file as"


@dataclass(frozen=True, slots=True)
class Entry:
    """`data` is a file's content, a link's target, or the first path of a file with several names."""

    kind: str
    mode: int
    data: bytes = b""
    inode: int = field(default=0, compare=False)


Picture = dict[str, Entry]
"""By path within the folder; a folder comes before what is in it."""


def picture(root: Path) -> Picture:
    """A file that goes away meanwhile was there or was not."""
    seen: Picture = {}
    names: dict[int, str] = {}
    for path in _walk(str(root), ""):
        entry = _entry(f"{root}/{path}", names, path)
        if entry is not None:
            seen[path] = entry
    return seen


def _walk(root: str, folder: str) -> Iterator[str]:
    try:
        found = sorted(os.scandir(f"{root}/{folder}"), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        path = f"{folder}{entry.name}"
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, f"{path}/")


def _entry(path: str, names: dict[int, str], name: str) -> Entry | None:
    try:
        seen = os.lstat(path)
        mode = stat.S_IMODE(seen.st_mode)
        if stat.S_ISDIR(seen.st_mode):
            return Entry(FOLDER, mode, inode=seen.st_ino)
        if stat.S_ISLNK(seen.st_mode):
            return Entry(LINK, 0, os.fsencode(os.readlink(path)), seen.st_ino)  # noqa: PTH115
        if seen.st_nlink > 1 and names.setdefault(seen.st_ino, name) != name:
            return Entry(SAME, mode, names[seen.st_ino].encode(), seen.st_ino)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a tree has thousands
            return Entry(FILE, mode, file.read(), seen.st_ino)
    except FileNotFoundError:
        return None


def restore(root: Path, wanted: Picture) -> None:
    """Make the folder what the picture shows, by as few changes as that takes."""
    root.mkdir(exist_ok=True)
    now = picture(root)
    for path in sorted(now, reverse=True):
        if now[path] != wanted.get(path) and not (now[path].kind == FOLDER == _kind(wanted.get(path))):
            _remove(root / path)
    for path, entry in wanted.items():
        if now.get(path) != entry or entry.kind == SAME:
            _put(root / path, entry, root)


def _kind(entry: Entry | None) -> str:
    return entry.kind if entry else ""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put(path: Path, entry: Entry, root: Path) -> None:
    if entry.kind == LINK:
        path.symlink_to(os.fsdecode(entry.data))
        return
    if entry.kind == SAME:
        path.unlink(missing_ok=True)
        path.hardlink_to(root / entry.data.decode())
        return
    if entry.kind == FOLDER:
        path.mkdir(exist_ok=True)
    else:
        path.write_bytes(entry.data)
    path.chmod(entry.mode)


class Synced:
    """Follows what is on the disk for good, from a moment at which everything is. Tell it before a file goes
    away: its number may be another's soon."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._kept: dict[int, Entry] = {}
        """Files' contents and links, by inode."""
        self._names: dict[str, dict[str, int]] = {"": {}}
        self._ghosts = itertools.count(-1, -1)
        for path, entry in picture(root).items():
            folder, _, name = path.rpartition("/")
            self._names[folder][name] = entry.inode
            if entry.kind == FOLDER:
                self._names[path] = {}
            elif entry.kind != SAME:
                self._kept[entry.inode] = entry

    def fsync(self, path: str) -> None:
        """A file's content, or a folder's names."""
        within = os.path.relpath(os.path.realpath(path), self._root)
        if not Path(path).is_dir():
            seen = Path(path).stat()
            self._kept[seen.st_ino] = Entry(FILE, stat.S_IMODE(seen.st_mode), Path(path).read_bytes())
            return
        within = "" if within == "." else within
        before = self._names.get(within, {})
        now = {entry.name: entry for entry in os.scandir(path)}
        self._names[within] = {name: entry.inode() for name, entry in now.items()}
        for name, entry in now.items():
            if entry.is_dir() and before.get(name) != entry.inode():
                self._names[f"{within}/{name}".lstrip("/")] = {}

    def goes(self, path: str) -> None:
        """This name of a file is taken away or given to another."""
        try:
            seen = os.lstat(path)
        except OSError:
            return
        if seen.st_nlink == 1 and not stat.S_ISDIR(seen.st_mode):
            ghost = next(self._ghosts)
            if seen.st_ino in self._kept:
                self._kept[ghost] = self._kept.pop(seen.st_ino)
            for names in self._names.values():
                names.update({name: ghost for name, inode in names.items() if inode == seen.st_ino})

    def left(self) -> Picture:
        """What the next boot finds."""
        found: Picture = {}
        self._leave("", found)
        return found

    def _leave(self, folder: str, found: Picture) -> None:
        for name, inode in sorted(self._names.get(folder, {}).items()):
            path = f"{folder}/{name}".lstrip("/")
            if path in self._names:
                found[path] = Entry(FOLDER, 0o711)
                self._leave(path, found)
            else:
                found[path] = self._kept.get(inode, Entry(FILE, 0o600))
