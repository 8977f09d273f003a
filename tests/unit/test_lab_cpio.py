"""The initramfs archive is what the kernel expects: read back by cpio's own rules."""

import stat

from hypothesis import given
from hypothesis import strategies as st

from kcloud_cli.lab.cpio import Node, archive, character_device, file, folder, with_parents


def entries(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content by path, read as the kernel's init/initramfs.c does."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        start = -(-(at + 110 + name_size) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, data[start : start + size])
        at = -(-(start + size) // 4) * 4


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True), st.binary(max_size=99))
)
def test_every_file_comes_back_with_its_content(files: dict[str, bytes]) -> None:
    # A path cannot be a file and a folder at once.
    files = {path: data for path, data in files.items() if not any(p.startswith(path + "/") for p in files)}
    read = entries(archive({path: file(data) for path, data in files.items()}))
    assert {path: data for path, (mode, data) in read.items() if stat.S_ISREG(mode)} == files


def test_folders_come_before_what_is_in_them() -> None:
    names = list(entries(archive({"a/b/c": file(b"x")})))
    assert names == ["a", "a/b", "a/b/c"]


def test_a_given_folder_keeps_its_permissions() -> None:
    nodes = with_parents({"root/.ssh": folder(0o700), "root/.ssh/key": file(b"k", 0o600)})
    assert stat.S_IMODE(nodes["root/.ssh"].mode) == 0o700
    assert stat.S_IMODE(nodes["root"].mode) == 0o755


def test_a_device_node_has_its_numbers_and_no_content() -> None:
    node = character_device(5, 1)
    assert stat.S_ISCHR(node.mode)
    assert entries(archive({"console": node}))["console"] == (node.mode, b"")


def test_equal_trees_are_equal_bytes() -> None:
    one = {"b": file(b"2"), "a": Node(stat.S_IFLNK | 0o777, b"b")}
    assert archive(one) == archive(dict(reversed(one.items())))
