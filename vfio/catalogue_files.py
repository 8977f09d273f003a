"""Reads the catalogue files of an operator, once, when a process starts."""

from collections.abc import Sequence
from pathlib import Path

from vfio.catalogue import Catalogue, builtin, extended


def load(paths: Sequence[Path] = ()) -> Catalogue:
    """The catalogue that ships with the package, with these files laid over it, the last one winning, fact by
    fact. ValueError names the file, and in it the entry and the field; a file that cannot be read is one too.
    """
    texts: dict[str, str] = {}
    for path in paths:
        try:
            texts[str(path)] = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: is not UTF-8 text") from error
    return extended(texts) if texts else builtin()
