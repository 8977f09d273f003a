"""Reads, page by page, how the hosts of a layout stand to it, and how they would stand to another one.

A page costs the same few statements however many hosts there are, and nothing is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.records import CardRecord, CutCard
from kcloud_api.hosts.layouts import reading
from kcloud_api.hosts.layouts import service as layouts
from kcloud_api.hosts.layouts.bodies import LayoutTrial, Target, check
from kcloud_api.hosts.layouts.forecast import CardNow, Forecast, forecast
from kcloud_api.hosts.layouts.matching import IdleRule, SeenCard, chosen, idle_rules
from kcloud_api.hosts.layouts.records import LayoutRecord
from kcloud_api.hosts.tables import HostRow
from kcloud_common.errors import BadRequest, NotFound
from kcloud_common.wire import Ability, CardLayoutWant


@dataclass(frozen=True, slots=True)
class Page:
    limit: int
    marker: UUID | None = None
    """Id of the host at which the page before ended."""


@dataclass(frozen=True, slots=True)
class HostStanding:
    """How one host stands to the layout that counts for it."""

    id: UUID
    name: str
    state: str
    layout: LayoutRecord | None
    """The one that counts; None: its cards are whole."""
    reported_version: str
    cards: tuple[CardRecord, ...]
    idle_rules: tuple[IdleRule, ...]
    """Rules that fit no card of it, and the card that is nearest. Nothing waits for that."""

    @property
    def in_step(self) -> bool:
        """It has taken the layout into account, and no card differs from it."""
        told = self.layout.want.version if self.layout is not None else ""
        return self.reported_version == told and not any(card.drift for card in self.cards)


@dataclass(frozen=True, slots=True)
class CardTrial:
    card: SeenCard
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class HostTrial:
    """What would happen to one host."""

    id: UUID
    name: str
    state: str
    counts: str
    """Which layout would count for it: a name; empty for none."""
    is_ours: bool
    """Whether that is the one on trial."""
    cards: tuple[CardTrial, ...]
    idle_rules: tuple[IdleRule, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    hosts: tuple[HostTrial, ...]
    more: bool
    not_enrolled: tuple[str, ...] = ()
    """Hosts that it names and that are not there (yet)."""


def standing(session: Session, layout_id: UUID, page: Page) -> tuple[tuple[HostStanding, ...], bool]:
    """Of the hosts that the layout is for, by name, and whether more follow. NotFound."""
    rows, more = _hosts(session, (layouts.get(session, layout_id).target,), page)
    now = reading.in_force(session, [row.name for row in rows])
    cut = accelerator.cut_cards(session, [row.id for row in rows])
    return tuple(_host_standing(row, now[row.name], cut.get(row.id, ())) for row in rows), more


def of_host(session: Session, host_id: UUID) -> HostStanding:
    """NotFound."""
    row = session.get(HostRow, host_id)
    if row is None:
        raise NotFound(f"Host {host_id} could not be found.")
    cards = accelerator.cut_cards(session, [host_id]).get(host_id, ())
    return _host_standing(row, reading.of_host(session, row.name), cards)


def attempt(session: Session, asked: LayoutTrial, page: Page) -> Trial:
    """What the layout would do. Raises what making or changing it would raise; changes nothing."""
    check(asked.cards or ())
    new, old = layouts.on_trial(session, asked)
    rows, more = _hosts(session, [each.target for each in (new, old) if each is not None], page)
    names = [row.name for row in rows]
    before = reading.in_force(session, names)
    after = _after(names, reading.in_force(session, names, without=new.id), new)
    cut = accelerator.cut_cards(session, [row.id for row in rows])
    return Trial(
        tuple(_tried(row, cut.get(row.id, ()), before[row.name], after[row.name], new.id) for row in rows),
        more,
        _not_enrolled(session, new.target) if page.marker is None else (),
    )


def _host_standing(row: HostRow, layout: LayoutRecord | None, cards: Sequence[CutCard]) -> HostStanding:
    return HostStanding(
        id=row.id,
        name=row.name,
        state=row.state,
        layout=layout,
        reported_version=str(row.report.get("layout_version", "")),
        cards=tuple(cut.card for cut in cards),
        idle_rules=idle_rules(_rules(layout), [_seen(row, cut.card) for cut in cards]),
    )


def _tried(
    row: HostRow,
    cards: Sequence[CutCard],
    before: LayoutRecord | None,
    after: LayoutRecord | None,
    ours: UUID,
) -> HostTrial:
    seen = [_seen(row, cut.card) for cut in cards]
    rules = _rules(after)
    return HostTrial(
        id=row.id,
        name=row.name,
        state=row.state,
        counts=after.name if after is not None else "",
        is_ours=after is not None and after.id == ours,
        cards=tuple(
            CardTrial(card, forecast(_now(cut), chosen(_rules(before), card), chosen(rules, card)))
            for cut, card in zip(cards, seen, strict=True)
        ),
        idle_rules=idle_rules(rules, seen),
    )


def _now(cut: CutCard) -> CardNow:
    return CardNow(tuple(map(Ability.model_validate, cut.card.abilities)), cut.slices, cut.card.drift)


def _seen(row: HostRow, card: CardRecord) -> SeenCard:
    classes = row.report.get("card_classes")
    told = classes.get(card.name) if isinstance(classes, dict) else None
    class_code, known = told if isinstance(told, list) else ("", None)
    return SeenCard(card.name, card.address, card.vendor_id, card.product_id, card.model, class_code, known)


def _rules(layout: LayoutRecord | None) -> tuple[CardLayoutWant, ...]:
    return layout.cards if layout is not None else ()


def _after(
    names: Iterable[str], others: Mapping[str, LayoutRecord | None], new: LayoutRecord
) -> Mapping[str, LayoutRecord | None]:
    """The layout that would count for each host."""
    rank = reading.RANK[new.target.kind]
    found: dict[str, LayoutRecord | None] = {}
    for name in names:
        other = others[name]
        ours = new.target.kind == "all" or name in new.target.hosts
        first = other is None or rank < reading.RANK[other.target.kind]
        found[name] = new if ours and first else other
    return found


def _hosts(session: Session, targets: Sequence[Target], page: Page) -> tuple[Sequence[HostRow], bool]:
    query = select(HostRow).order_by(HostRow.name).limit(page.limit + 1)
    if not any(target.kind == "all" for target in targets):
        named = {name for target in targets for name in target.hosts}
        query = query.where(col(HostRow.name).in_(sorted(named)))
    if page.marker is not None:
        last = session.get(HostRow, page.marker)
        if last is None:
            raise BadRequest(f"marker [{page.marker}] not found", field="marker")
        query = query.where(col(HostRow.name) > last.name)
    rows = session.exec(query).all()
    return rows[: page.limit], len(rows) > page.limit


def _not_enrolled(session: Session, target: Target) -> tuple[str, ...]:
    known = session.exec(select(HostRow.name).where(col(HostRow.name).in_(target.hosts))).all()
    return tuple(sorted(set(target.hosts) - set(known)))
