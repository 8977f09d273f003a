"""The index of routes answers as a walk over all of them would."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import compile_path

from kcloud_api.http.paths import Entry, PathIndex

WORDS = ("a", "b", "servers", "{x}", "{x:path}", "{x:int}", "")


def entry(number: int, path: str, methods: frozenset[str]) -> Entry[int]:
    regex, form, convertors = compile_path(path)
    return Entry(regex, convertors, methods, form, number)


def walk(entries: list[Entry[int]], path: str, method: str) -> tuple[int, dict[str, object]] | None:
    for one in entries:
        match = one.regex.match(path)
        if match is not None and (not one.methods or method in one.methods):
            return one.route, {
                name: one.convertors[name].convert(text) for name, text in match.groupdict().items()
            }
    return None


def unique(words: list[str]) -> str:
    """A path may name each parameter once."""
    return "/" + "/".join(word.replace("x", f"x{number}", 1) for number, word in enumerate(words))


paths = st.lists(st.sampled_from(WORDS), max_size=4).map(unique)
methods = st.frozensets(st.sampled_from(("GET", "PUT")), max_size=2)
asked = st.lists(st.sampled_from(("a", "b", "servers", "7", "", "c d")), max_size=5).map(
    lambda words: "/" + "/".join(words)
)


@given(st.lists(st.tuples(paths, methods), max_size=8), asked, st.sampled_from(("GET", "PUT", "PATCH")))
def test_the_index_finds_what_a_walk_over_all_routes_finds(
    declared: list[tuple[str, frozenset[str]]], path: str, method: str
) -> None:
    entries = [entry(number, path, methods) for number, (path, methods) in enumerate(declared)]
    assert PathIndex(entries).find(path, method) == walk(entries, path, method)


def test_the_first_declared_of_two_that_fit_is_taken() -> None:
    get = frozenset({"GET"})
    index = PathIndex([entry(1, "/servers/detail", get), entry(2, "/servers/{id}", get)])
    assert index.find("/servers/detail", "GET") == (1, {})
    assert index.find("/servers/7", "GET") == (2, {"id": "7"})
    assert index.find("/servers/7", "PUT") is None
    assert index.find("", "GET") is None
