"""Makes a snapshot from SQL, and the next one from the last and what changed since."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection

from kcloud_api.placement.snapshot import amount_rows, journal, rows
from kcloud_api.placement.snapshot.amounts import amounts_changed
from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.build import build
from kcloud_api.placement.snapshot.change import TREES_IN_A_BLOCK, changed
from kcloud_api.placement.snapshot.snapshot import Snapshot
from kcloud_api.placement.snapshot.trees import Memory
from kcloud_api.placement.snapshot.words import Words

FEW = 2 * TREES_IN_A_BLOCK
"""So many trees are read again one by one however small the cloud is."""


def loaded(connection: Connection) -> tuple[Snapshot, journal.Position]:
    """Everything, a block at a time. The connection must see one state of the database throughout."""
    position = journal.position(connection)
    words = Words()
    remaining = rows.roots(connection)
    blocks: list[Block] = []
    while piece := list(islice(remaining, TREES_IN_A_BLOCK)):
        blocks.append(build(*rows.read(connection, piece), words))
    return Snapshot(tuple(blocks), words, Memory()), position


def refreshed(
    connection: Connection, snapshot: Snapshot, position: journal.Position
) -> tuple[Snapshot, journal.Position] | None:
    """With what was committed since `position`; None where reading everything is less work."""
    news = journal.since(connection, position)
    if news is None:
        return None
    touched, position = news
    if not touched:
        return snapshot, position
    if len(touched) > max(FEW, snapshot.trees // 2):
        return None
    used = [root_id for root_id, kind in touched.items() if kind == journal.USAGE]
    snapshot, others = _used(connection, snapshot, used)
    shaped = [root_id for root_id, kind in touched.items() if kind != journal.USAGE]
    return updated(connection, snapshot, [*shaped, *others]), position


def _used(
    connection: Connection, snapshot: Snapshot, root_ids: Iterable[UUID]
) -> tuple[Snapshot, list[UUID]]:
    """With what is in use in these trees, and those of which more must be read."""
    remaining = iter(root_ids)
    blocks, others = snapshot.blocks, []
    while piece := list(islice(remaining, TREES_IN_A_BLOCK)):
        trees = amount_rows.amounts(connection, piece)
        blocks, unlike = amounts_changed(blocks, trees)
        unknown = {root_id.bytes.rstrip(b"\0") for root_id in piece} - trees.keys() | set(unlike)
        others += [root_id for root_id in piece if root_id.bytes.rstrip(b"\0") in unknown]
    return replace(snapshot, blocks=blocks), others


def updated(connection: Connection, snapshot: Snapshot, root_ids: Iterable[UUID]) -> Snapshot:
    """With these trees as the connection sees them."""
    remaining = iter(root_ids)
    blocks = snapshot.blocks
    while piece := list(islice(remaining, TREES_IN_A_BLOCK)):
        new = build(*rows.read(connection, piece), snapshot.words)
        found = set(new.roots.tolist())
        # numpy's bytes have lost their trailing zeros.
        gone = [id_ for root_id in piece if (id_ := root_id.bytes.rstrip(b"\0")) not in found]
        blocks = changed(blocks, new, gone)
    return replace(snapshot, blocks=blocks)
