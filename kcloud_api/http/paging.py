"""Pages of lists in Nova's manner: `limit` and `marker` in, a link to the next page out."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for: at most `limit` things after the one whose id is `marker`."""

    limit: int = LARGEST_PAGE
    marker: UUID | None = None


def _paging(
    limit: Annotated[int, Query(ge=0, le=2**31 - 1)] = LARGEST_PAGE, marker: UUID | None = None
) -> Paging:
    # To Nova a limit of 0 is no limit.
    return Paging(min(limit or LARGEST_PAGE, LARGEST_PAGE), marker)


PagingDep = Annotated[Paging, Depends(_paging)]


def next_links(request: Request, last: UUID | str | None) -> list[dict[str, str]]:
    """A link to the page after `last`; none where there is no more."""
    if last is None:
        return []
    rest = [(key, value) for key, value in request.query_params.multi_items() if key != "marker"]
    query = urlencode([*rest, ("marker", str(last))])
    return [{"rel": "next", "href": f"{str(request.url).partition('?')[0]}?{query}"}]
