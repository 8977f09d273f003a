"""Decides which part of a list is one page of it: things in the order of their ids. Pure."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Mapped
from sqlmodel.sql.expression import SelectOfScalar

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` things after the one whose id is `marker`, which need not exist any more."""

    limit: int = LARGEST_PAGE
    marker: str | None = None

    def select(self, query: SelectOfScalar[Any], identity: Mapped[str]) -> SelectOfScalar[Any]:
        """The query for this page, and for one thing more, which says that there is another page."""
        if self.marker is not None:
            query = query.where(identity > self.marker)
        return query.limit(self.limit + 1)
