"""Configuration: defaults, files, overrides, and mistakes that are refused instead of ignored."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from kcloud_common.config import BadConfig, load, option, sample


@dataclass(frozen=True, slots=True)
class StoreConf:
    folder: str = option("/var/lib/x", help="Where things are kept.\nOn a big disk.")
    size: int = option(10, help="How many.", minimum=1, maximum=100)
    pause: float = option(0.5, help="How long.", minimum=0)
    eager: bool = option(False, help="At once?")
    kinds: tuple[str, ...] = option(("a", "b"), help="Which.")
    rules: tuple[str, ...] = option((), help="One rule a line.", multi=True)
    owner: str | None = option(None, help="Whose.")
    mode: str = option("slow", help="How.", choices=("slow", "fast"))
    password: str = option("hush", help="The key.", secret=True)


GROUPS = {"store": StoreConf}


def file_with(tmp_path: Path, text: str) -> str:
    path = tmp_path / "kcloud.conf"
    path.write_text(text)
    return str(path)


def test_without_files_every_option_has_its_default() -> None:
    assert load(GROUPS).store == StoreConf()


def test_a_file_overrides_defaults_and_an_override_overrides_the_file(tmp_path: Path) -> None:
    path = file_with(tmp_path, "[store]\nsize = 20\neager = yes\nkinds = x, y\nowner = me\npause = 2\n")
    conf = load(GROUPS, files=[path], overrides=["store.size=30", "store.mode=fast"])
    assert conf.store == StoreConf(size=30, eager=True, kinds=("x", "y"), owner="me", pause=2.0, mode="fast")


def test_a_repeated_option_of_many_values_adds_up(tmp_path: Path) -> None:
    path = file_with(tmp_path, "[store]\nrules = class=03,vendor=10de\nrules = address=0000:41:00.0\n")
    assert load(GROUPS, files=[path]).store.rules == ("class=03,vendor=10de", "address=0000:41:00.0")
    given = load(GROUPS, overrides=["store.rules=a=b", "store.rules=c"])
    assert given.store.rules == ("a=b", "c")


def test_the_last_of_several_files_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    first.write_text("[store]\nsize = 2\nfolder = /one\n")
    second.write_text("[store]\nsize = 3\n")
    conf = load(GROUPS, files=[str(first), str(second)])
    assert (conf.store.size, conf.store.folder) == (3, "/one")


def test_an_unknown_option_is_refused_and_the_known_ones_are_named(tmp_path: Path) -> None:
    path = file_with(tmp_path, "[store]\nfoldr = /x\n")
    with pytest.raises(BadConfig, match=r"foldr.*folder"):
        load(GROUPS, files=[path])


def test_another_processs_group_is_left_alone(tmp_path: Path) -> None:
    assert load(GROUPS, files=[file_with(tmp_path, "[other]\nx = 1\n")]).store == StoreConf()


@pytest.mark.parametrize(
    "override",
    ["store.size=0", "store.size=ten", "store.mode=warp", "store.sise=1", "shop.size=1", "size=1",
     "store.size", "store.eager=perhaps", "store.pause=-1"],
)  # fmt: skip
def test_an_override_that_makes_no_sense_is_refused(override: str) -> None:
    with pytest.raises(BadConfig):
        load(GROUPS, overrides=[override])


@pytest.mark.parametrize(
    "text", ["[store]\nsize = 1000\n", "size = 1\n", "[store\n", "[store]\nmode = warp\n"]
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadConfig):
        load(GROUPS, files=[file_with(tmp_path, text)])


def test_what_is_no_text_or_no_file_is_refused_with_its_name(tmp_path: Path) -> None:
    binary = tmp_path / "binary.conf"
    binary.write_bytes(b"\xff\xfe[api]")
    for path in (binary, tmp_path):
        with pytest.raises(BadConfig, match=re.escape(str(path))):
            load(GROUPS, files=[str(path)])


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="nowhere"):
        load(GROUPS, files=[str(tmp_path / "nowhere.conf")])


def test_an_option_without_default_must_be_given() -> None:
    @dataclass(frozen=True, slots=True)
    class MustConf:
        host: str = option(help="Which.")

    with pytest.raises(BadConfig, match="host"):
        load({"must": MustConf})
    assert load({"must": MustConf}, overrides=["must.host=x"]).must == MustConf(host="x")


def test_a_secret_is_not_in_the_representation() -> None:
    assert "hush" not in repr(load(GROUPS))


def test_a_sample_that_is_uncommented_is_the_defaults(tmp_path: Path) -> None:
    text = sample(GROUPS)
    assert "# Where things are kept.\n# On a big disk.\n" in text
    assert "minimum 1; maximum 100" in text
    lines = [line.removeprefix("#") for line in text.splitlines() if not line.startswith("# ")]
    kept = [line for line in lines if not line.endswith("=")]
    assert load(GROUPS, files=[file_with(tmp_path, "\n".join(kept) + "\n")]).store == StoreConf()


def test_asking_for_a_group_that_was_not_loaded_says_so() -> None:
    with pytest.raises(AttributeError, match="shop"):
        _ = load(GROUPS).shop
