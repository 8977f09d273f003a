"""Who may do what: oslo.policy with defaults in code, each service's rules in its own policies.py."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request

from kcloud_api.caller import Caller
from kcloud_common.config import BadConfig
from kcloud_common.errors import Forbidden

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A named rule with its default in oslo.policy's language: `role:admin`, `project_id:%(project_id)s`."""

    name: str
    default: str
    description: str
    project_only: bool = False
    """A token for the whole system is refused, whatever its roles: upstream's `scope_types=['project']`. No
    policy file changes that."""


Facts = frozenset[tuple[str, object]]
Decide = Callable[[str, Caller, Facts], bool]

DECISIONS_KEPT = 4096
PURE = frozenset(
    {"FalseCheck", "TrueCheck", "NotCheck", "AndCheck", "OrCheck", "RuleCheck", "RoleCheck", "GenericCheck"}
)
"""oslo.policy's checks that look at nothing but the question. An operator may have others, which ask
elsewhere: then every question is a new one."""


class Enforcer:
    """All rules of this process: the services' defaults, with an operator's policy.yaml over them.

    oslo.policy is a third of a second of imports, so it is loaded by the first question, or by `load`. An
    operator's file is read at once: what is wrong with it is said at the start, not to the first user.
    """

    def __init__(self, rules: Iterable[PolicyRule], policy_file: str | None = None) -> None:
        self._source = policy_file or "the default policy"
        rules = tuple(rules)
        self._texts = _defaults(rules) | _overrides(policy_file)
        self._project_only = frozenset(rule.name for rule in rules if rule.project_only)
        self._decide: Decide | None = None
        self._loading = threading.Lock()
        if policy_file is not None:
            self.load()

    def load(self) -> None:
        """Make the engine ready. Safe to repeat, from any thread. Raises BadConfig."""
        with self._loading:
            if self._decide is None:
                self._decide = _decider(_engine(self._texts, self._source))

    def check(self, caller: Caller, rule: str, target: Mapping[str, object]) -> bool:
        """May the caller do `rule` to `target`? A rule that nobody defined is refused, and logged."""
        if rule not in self._texts:
            log.error("policy_rule_unknown", extra={"rule": rule})
            return False
        if caller.system and rule in self._project_only:
            return False
        decide = self._decide
        if decide is None:
            self.load()
            return self.check(caller, rule, target)
        # The same question but for its number has the same answer.
        return decide(rule, replace(caller, request_id=""), frozenset(target.items()))


def _decider(engine: Any) -> Decide:  # noqa: ANN401 - oslo.policy has no types
    def decide(rule: str, caller: Caller, target: Facts) -> bool:
        return bool(engine.enforce(rule, _known(dict(target)), _credentials(caller)))

    return lru_cache(DECISIONS_KEPT)(decide) if all(map(_is_pure, engine.rules.values())) else decide


def _is_pure(check: Any) -> bool:  # noqa: ANN401
    inner = [*getattr(check, "rules", ()), *filter(None, [getattr(check, "rule", None)])]
    return type(check).__name__ in PURE and all(map(_is_pure, inner))


def _engine(texts: Mapping[str, str], source: str) -> Any:  # noqa: ANN401 - oslo.policy has no types
    from oslo_config import cfg
    from oslo_policy import policy

    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    engine = policy.Enforcer(conf, rules=policy.Rules.from_dict(dict(texts)), use_conf=False)
    if not engine.check_rules():
        raise BadConfig(f"{source} refers to undefined rules, or in a circle")
    return engine


def _defaults(rules: Iterable[PolicyRule]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for rule in rules:
        if rule.name in texts:
            raise BadConfig(f"the policy rule {rule.name!r} is defined twice")
        texts[rule.name] = rule.default
    return texts


def _overrides(policy_file: str | None) -> dict[str, str]:
    if policy_file is None:
        return {}
    from oslo_policy import policy

    try:
        parsed = policy.parse_file_contents(Path(policy_file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(f"policy file {policy_file}: {error}") from error
    if not isinstance(parsed, dict) or not all(isinstance(text, str) for text in parsed.values()):
        raise BadConfig(f"policy file {policy_file}: it must map the names of rules to texts")
    return {str(name): text for name, text in parsed.items()}


def _known(facts: Mapping[str, object]) -> dict[str, object]:
    # An unknown fact must be absent: oslo.policy compares texts, and `None` would equal `None`.
    return {name: value for name, value in facts.items() if value is not None}


def _credentials(caller: Caller) -> dict[str, object]:
    facts: dict[str, object] = {
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "domain_id": caller.domain_id,
        "system_scope": "all" if caller.system else None,
        "roles": sorted(caller.roles),
        "is_admin": caller.is_admin,
    }
    return _known(facts)


def allow(request: Request, caller: Caller, rule: str, target: Mapping[str, object] | None = None) -> None:
    """Raise Forbidden unless the caller may do `rule` to `target` (its project_id, user_id ...)."""
    if not may(request, caller, rule, target):
        raise Forbidden(f"Policy doesn't allow {rule} to be performed.")


def may(request: Request, caller: Caller, rule: str, target: Mapping[str, object] | None = None) -> bool:
    """The same as a question, for answers that show more to some callers."""
    return bool(request.app.state.enforcer.check(caller, rule, target or {}))
