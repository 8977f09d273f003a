"""Pages of identity's lists, in Keystone's manner: `limit` and `marker` in, a link to the next page out."""

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Query, Request

from kcloud_api.identity.api.views import View, collection
from kcloud_api.identity.pages import LARGEST_PAGE, Page


class Identified(Protocol):
    @property
    def id(self) -> str: ...


Record = TypeVar("Record", bound=Identified)


def _page(limit: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0, marker: str | None = None) -> Page:
    return Page(min(limit or LARGEST_PAGE, LARGEST_PAGE), marker)


PageDep = Annotated[Page, Depends(_page)]


def page_of(
    request: Request, name: str, page: Page, found: Sequence[Record], view: Callable[[Request, Record], View]
) -> View:
    """The things `found` for a page, as they leave. A client that asked for no pages is told, in Keystone's
    word for it, that it does not see all."""
    kept = found[: page.limit]
    shown = collection(request, name, (view(request, record) for record in kept))
    if len(found) > page.limit:
        marker = kept[-1].id
        shown["links"]["next"] = str(request.url.include_query_params(limit=page.limit, marker=marker))
        if "limit" not in request.query_params:
            shown["truncated"] = True
    return shown
