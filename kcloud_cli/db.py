"""`kcloud db`: upgrade a database's schema, or say where it stands."""

import argparse
import os
import sys


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
        action.set_defaults(run=run)


def _url(options: argparse.Namespace) -> str:
    from kcloud_api.conf.groups import load_control_plane

    given = options.database or os.environ.get("KCLOUD_DATABASE")
    overrides = [f"database.url={given}"] if given else []
    return str(load_control_plane(options.config_file, overrides).database.url)


def _upgrade(options: argparse.Namespace) -> int:
    from kcloud_api.db import migration

    url = _url(options)
    migration.upgrade(url)
    print(f"the schema is at {migration.revision(url)}")
    return 0


def _status(options: argparse.Namespace) -> int:
    from kcloud_api.db import migration

    url = _url(options)
    current = migration.is_current(url)
    print(f"revision {migration.revision(url) or 'none'}: {'current' if current else 'not this release'}")
    if not current:
        sys.stderr.write("kcloud db: run `kcloud db upgrade`\n")
    return 0 if current else 1
