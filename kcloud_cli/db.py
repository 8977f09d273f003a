"""`kcloud db`: upgrade a database's schema, or say where it stands."""

import argparse
import sys
from collections.abc import Callable
from functools import partial


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("db", help="upgrade the database, or say whether it is current")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, run, text in (
        ("upgrade", _upgrade, "create or upgrade every table; safe to repeat and to race"),
        ("status", _status, "print the schema's revision; exit 1 when it is not this release's"),
    ):
        action = verbs.add_parser(verb, help=text)
        action.add_argument("--config-file", action="append", default=[])
        action.add_argument("--database", metavar="URL", help="default: database.url of the configuration")
        action.set_defaults(run=partial(_reported, run))


def _url(options: argparse.Namespace) -> str:
    from kcloud_api.conf.groups import load_control_plane

    overrides = [f"database.url={options.database}"] if options.database else []
    return str(load_control_plane(options.config_file, overrides).database.url)


def _upgrade(url: str) -> int:
    from kcloud_api.db import migration

    migration.upgrade(url)
    print(f"the schema is at {migration.revision(url)}")
    return 0


def _status(url: str) -> int:
    from kcloud_api.db import migration

    current = migration.is_current(url)
    print(f"revision {migration.revision(url) or 'none'}: {'current' if current else 'not this release'}")
    if not current:
        sys.stderr.write("kcloud db: run `kcloud db upgrade`\n")
    return 0 if current else 1


def _reported(verb: Callable[[str], int], options: argparse.Namespace) -> int:
    from kcloud_common.errors import KcloudError

    try:
        return verb(_url(options))
    except KcloudError as error:
        sys.stderr.write(f"kcloud db: {error.message}\n")
        return 2
