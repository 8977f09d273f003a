"""The kernel's initramfs format ("newc" cpio), written without mounts, device nodes or root."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Node:
    """One file of the archive. For a symlink `data` is its target; `device` is (major, minor)."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(data: bytes, permissions: int = 0o644) -> Node:
    return Node(stat.S_IFREG | permissions, data)


def folder(permissions: int = 0o755) -> Node:
    return Node(stat.S_IFDIR | permissions)


def character_device(major: int, minor: int) -> Node:
    return Node(stat.S_IFCHR | 0o600, device=(major, minor))


def with_parents(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The same nodes, with every folder that a path goes through and that was not given."""
    parents = {str(parent) for path in nodes for parent in PurePosixPath(path).parents} - {"."}
    return {**{parent: folder() for parent in parents}, **nodes}


def archive(nodes: Mapping[str, Node]) -> bytes:
    """The archive of `{path without leading slash: node}`; owned by root and undated, so builds repeat."""
    complete = with_parents(nodes)
    parts = [_entry(number, path, complete[path]) for number, path in enumerate(sorted(complete), start=1)]
    return b"".join([*parts, _entry(0, TRAILER, Node(0))])


def _entry(number: int, path: str, node: Node) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    fields = (number, node.mode, 0, 0, links, 0, len(node.data), 0, 0, *node.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(node.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
