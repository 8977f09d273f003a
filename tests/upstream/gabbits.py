"""Finds upstream's gabbi files and makes gabbi's test cases of one, for a server that runs."""

import unittest
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import yaml
from gabbi import handlers, suitemaker
from gabbi.httpclient import Http
from gabbi.reporter import PyTestResult

DISTRIBUTION = "openstack-placement"
FOLDER = "placement/tests/functional/gabbits/"


@cache
def gabbits() -> Mapping[str, Path]:
    """Each file by its name without `.yaml`, sorted."""
    found = {
        file.stem: Path(str(file.locate()))
        for file in files(DISTRIBUTION) or ()
        if str(file).startswith(FOLDER) and file.suffix == ".yaml"
    }
    return dict(sorted(found.items()))


@cache
def described(file: str) -> Mapping[str, Any]:
    """What the file says."""
    text = gabbits()[file].read_text("utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


def world_of(file: str) -> str:
    """The name of the fixture that the file asks for: what its tests find when they begin."""
    (name,) = described(file)["fixtures"]
    return str(name)


def names(file: str) -> Iterator[str]:
    """Its tests in their order; of two that share a name the second gets a number."""
    seen: Counter[str] = Counter()
    for test in described(file)["tests"]:
        seen[test["name"]] += 1
        number = seen[test["name"]]
        yield test["name"] if number == 1 else f"{test['name']} ({number})"


class Story:
    """The tests of one file against one server: each rests on those before it, which run first if they have
    not."""

    def __init__(self, file: str, host: str, port: int) -> None:
        # A client that verifies certificates loads a tenth of a second's worth of them; all is plain HTTP.
        # gabbi writes into what it is told.
        told = deepcopy(dict(described(file)))
        told["defaults"] = dict(told.get("defaults", {})) | {"cert_validate": False}
        makers = [make() for make in handlers.RESPONSE_HANDLERS]
        suite = suitemaker.test_suite_from_dict(
            unittest.TestLoader(), file, told, str(gabbits()[file].parent), host, port, None, None,
            handlers=makers, test_loader_name=file,
        )  # fmt: skip
        self._http = Http(cert_validate=False)
        self._cases = dict(zip(names(file), suite, strict=True))
        for case in self._cases.values():
            case.http.client.close()
            type(case).http = self._http

    def run(self, name: str) -> None:
        """Raises AssertionError, or whatever else the test fails with."""
        self._cases[name].run(PyTestResult())

    def close(self) -> None:
        self._http.client.close()
