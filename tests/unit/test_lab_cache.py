"""What the lab builds is there whole or not at all, once however many ask."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kcloud_cli.lab.cache import cache_root, digest, forget_old, under_construction


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "image"

    def fail() -> None:
        with under_construction(target) as work:
            assert work is not None
            (work / "half").write_text("x")
            raise RuntimeError("out of space")

    with pytest.raises(RuntimeError):
        fail()
    assert [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_what_a_killed_build_left_is_not_in_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / ".image.partial"
    left.mkdir()
    (left / "half").write_text("x")
    with under_construction(tmp_path / "image") as work:
        assert work is not None
        (work / "whole").write_text("y")
    assert [path.name for path in (tmp_path / "image").iterdir()] == ["whole"]


def test_of_many_builders_one_builds_and_all_find_it(tmp_path: Path) -> None:
    def build(number: int) -> bool:
        with under_construction(tmp_path / "image") as work:
            if work is not None:
                (work / "by").write_text(str(number))
            return work is not None

    with ThreadPoolExecutor(8) as pool:
        built = list(pool.map(build, range(8)))
    assert built.count(True) == 1
    assert (tmp_path / "image" / "by").read_text() == str(built.index(True))


def test_the_cache_is_where_the_environment_says() -> None:
    assert cache_root({"KCLOUD_CACHE": "/a"}) == Path("/a")
    assert cache_root({"XDG_CACHE_HOME": "/b"}) == Path("/b/kcloud")


def test_parts_of_a_digest_do_not_run_together() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])


def test_only_the_newest_artefacts_of_a_kind_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("host-new", "host-older", "host-oldest", "root-old")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    forget_old(tmp_path, "host", keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["host-new", "host-older", "root-old"]
