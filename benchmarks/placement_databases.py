"""Databases with many hosts in them: loaded once, copied for each run, kept in a folder when asked."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import placement_shapes
from benchmarks.kept_postgres import (
    create_database,
    drop_database,
    has_database,
    rename_database,
    url_of,
)
from kcloud_api.db.engine import Database
from kcloud_api.db.migration import prepare


@dataclass(frozen=True, slots=True)
class Databases:
    """Of one run: on `server`, a PostgreSQL server's URL, or without one as SQLite files in `folder`."""

    folder: Path
    server: str | None
    keep: bool
    """What was loaded stays, and each run works on a copy of it."""

    @contextmanager
    def loaded(self, shape: str, hosts: int) -> Iterator[str]:
        """The URL of a database with that many hosts, which nobody has used yet."""
        name = f"{shape}_{hosts}"
        began = time.monotonic()
        if not self._has(name):
            self._load(name, shape, hosts)
        how = f"loaded in {time.monotonic() - began:.0f} s"
        url = self._copy(name) if self.keep else self._url(name)
        prepare(url, migrate=True)
        print(f"\n== {shape}, {hosts} hosts, {'PostgreSQL' if self.server else 'SQLite'} ({how})", flush=True)
        try:
            yield url
        finally:
            self._drop("run" if self.keep else name)

    def _load(self, name: str, shape: str, hosts: int) -> None:
        """Under another name until it is complete."""
        unfinished = f"{name}_unfinished"
        self._drop(unfinished)
        url = self._url(unfinished)
        if self.server is not None:
            create_database(self.server, unfinished)
        prepare(url, migrate=True)
        database = Database(url)
        placement_shapes.load(database, shape, hosts)
        database.close()
        if self.server is not None:
            rename_database(self.server, unfinished, name)
        else:
            self._file(unfinished).rename(self._file(name))

    def _has(self, name: str) -> bool:
        if self.server is not None:
            return has_database(self.server, name)
        return self._file(name).exists()

    def _copy(self, name: str) -> str:
        if self.server is not None:
            return create_database(self.server, "run", like=name)
        self._drop("run")
        shutil.copyfile(self._file(name), self._file("run"))
        return self._url("run")

    def _drop(self, name: str) -> None:
        if self.server is not None:
            drop_database(self.server, name)
            return
        for suffix in ("", "-wal", "-shm", ".migrating"):
            self._file(name).with_name(f"{name}.db{suffix}").unlink(missing_ok=True)

    def _url(self, name: str) -> str:
        return url_of(self.server, name) if self.server is not None else f"sqlite:///{self._file(name)}"

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.db"
