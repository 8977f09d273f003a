"""What `kcloud NOUN VERB ...` has in common where a cloud is asked: its options, its errors, its JSON."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from kcloud_common.errors import BadRequest, KcloudError

Action = Callable[[argparse.Namespace], "int | None"]


class Verbs:
    """The verbs of one noun. Each ends with 0, 1 for a failure, 2 for a request that makes no sense, or with
    what its action returns."""

    def __init__(
        self, subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", noun: str, what: str
    ) -> None:
        self._noun = noun
        parser = subparsers.add_parser(noun, help=what, description=what)
        self._verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(self, name: str, what: str, action: Action, *, epilog: str = "") -> argparse.ArgumentParser:
        parser = self._verbs.add_parser(name, help=what, description=what, epilog=epilog)
        parser.add_argument(
            "--os-cloud", metavar="CLOUD", help="name in clouds.yaml; else $OS_CLOUD, kcloud-admin"
        )
        parser.set_defaults(run=lambda options: self._reported(action, options))
        return parser

    def _reported(self, action: Action, options: argparse.Namespace) -> int:
        try:
            return action(options) or 0
        except KcloudError as error:
            print(f"kcloud {self._noun}: {error.message}", file=sys.stderr)
            return 2 if isinstance(error, BadRequest) else 1


def with_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="as the API has it, for scripts")
    return parser


def print_json(value: Any) -> None:  # noqa: ANN401 - JSON
    print(json.dumps(value, indent=2, ensure_ascii=False))
