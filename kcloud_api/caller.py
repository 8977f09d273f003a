"""Who is asking, as services see it: the one word that use cases and the HTTP edge share."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """The token's holder. `roles` include implied ones; `system` is true for a system-scoped token."""

    user_id: str
    project_id: str | None
    roles: frozenset[str] = field(default_factory=frozenset)
    domain_id: str | None = None
    system: bool = False
    request_id: str = ""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles
