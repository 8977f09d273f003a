"""Makes a block of some trees of other blocks."""

from collections.abc import Sequence

import numpy as np

from kcloud_api.placement.snapshot.block import Block, Indices, Ints, Stocks

_PROVIDER_COLUMNS = ("ids", "names", "generation", "traits", "aggregates")


def picked(parts: Sequence[Block], wanted: Ints) -> Block:
    """A block of these trees of the parts, in the order given. Trees are counted through all parts."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts])[wanted]
    tree_starts = np.concatenate([part.starts[:-1] + before for part, before in _offsets(parts)])[wanted]
    starts = np.zeros(len(wanted) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    moved = np.repeat(starts[:-1] - tree_starts, sizes)
    """How far each provider moves from its place among all parts."""
    take = np.arange(len(moved)) - moved
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])[take] for name in _PROVIDER_COLUMNS
    }
    place = np.full(sum(part.providers for part in parts), -1, dtype=np.int64)
    place[take] = np.arange(len(take), dtype=np.int64)
    tree = np.repeat(np.arange(len(wanted), dtype=np.int64), sizes)
    return Block(
        words=parts[0].words,
        created=np.concatenate([part.created for part in parts])[wanted],
        version=np.concatenate([part.version for part in parts])[wanted],
        starts=starts,
        tree=tree,
        parent=_joined(parts, "parent")[take] + moved,
        end=_joined(parts, "end")[take] + moved,
        stocks=_picked_stocks(parts, place, tree),
        **columns,
    )


def _offsets(parts: Sequence[Block]) -> list[tuple[Block, int]]:
    """Each part with the number of providers before it."""
    before = np.cumsum([0, *(part.providers for part in parts)])
    return [(part, int(count)) for part, count in zip(parts, before, strict=False)]


def _joined(parts: Sequence[Block], name: str) -> Indices:
    """A column that points at providers, pointing among those of all parts."""
    return np.concatenate([getattr(part, name) + before for part, before in _offsets(parts)])


def _picked_stocks(parts: Sequence[Block], place: Indices, tree: Indices) -> dict[str, Stocks]:
    """`place`: where each provider of all parts goes, or -1."""
    found = {}
    for name in sorted({name for part in parts for name in part.stocks}):
        pieces = [(part.stocks[name], before) for part, before in _offsets(parts) if name in part.stocks]
        provider = place[np.concatenate([piece.provider + before for piece, before in pieces])]
        order = np.argsort(provider, kind="stable")
        order = order[np.searchsorted(provider[order], 0) :]
        if len(order):
            provider = provider[order]
            found[name] = Stocks(
                provider,
                tree[provider],
                np.concatenate([piece.limits for piece, _ in pieces], axis=1)[:, order],
                np.concatenate([piece.ratio for piece, _ in pieces])[order],
                np.concatenate([piece.used for piece, _ in pieces])[order],
            )
    return found
