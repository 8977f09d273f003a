"""Takes providers for writing: their trees are held, what is read of them then stays so until the commit."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from sqlmodel import Session

from kcloud_api.db.columns import utcnow
from kcloud_api.placement import generations, providers
from kcloud_api.placement.providers import ProviderRecord
from kcloud_api.placement.races import Raced, until_won

P = ParamSpec("P")
T = TypeVar("T")


def retried(work: Callable[Concatenate[Session, P], T]) -> Callable[Concatenate[Session, P], T]:
    """Let a use case begin again where it lost a race that no client could know of. It must be the only work
    of its transaction."""

    @wraps(work)
    def again(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return until_won(session, lambda: work(session, *args, **kwargs))

    return again


def locked(session: Session, provider_id: UUID, *others: UUID) -> ProviderRecord:
    """The provider as it is now that nobody else can change its tree, nor those of `others`. NotFound; Raced
    when one was moved into another tree meanwhile."""
    held = generations.lock(session, [provider_id, *others])
    for each, root_id in held.items():
        if providers.get_provider(session, each).root_id != root_id:
            raise Raced(f"resource provider {each} was moved")
    return providers.get_provider(session, provider_id)


def advanced(session: Session, provider: ProviderRecord) -> ProviderRecord:
    """The provider, locked before, with its next generation."""
    generations.advance(session, provider.id, provider.generation)
    return replace(provider, generation=provider.generation + 1, updated_at=utcnow())
