"""What the control plane forecasts of a layout is what hosts decide, word for word: of the cards of all
simulated machines, of cards that are cut, and of cards whose drivers say anything at all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_api.accelerator.records import SliceGroup
from kcloud_api.hosts.layouts.bodies import TYPED, check
from kcloud_api.hosts.layouts.forecast import CardNow, Forecast, Outcome, forecast
from kcloud_api.hosts.layouts.matching import Chosen, SeenCard, fits
from kcloud_common.wire import CardLayoutWant, CutWant, LayoutWant, SliceKind
from kcloud_compute import cuts
from tests.slice_bench import BENCHES, CARD, NPU, Bench, gpu
from tests.thoroughness import examples
from vfio import layout
from vfio.catalogue import builtin
from vfio.journal import Journal
from vfio.rules import KNOWN, parse_rule
from vfio.scan import scan
from vfio.sim.trees import NAMES, build
from vfio.slices.cards import cards
from vfio.slices.model import Ability, Card, Cut, Kind, Plan, Slice
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.testing import FakeHost

WHOLE = CutWant(kind=SliceKind.WHOLE)
UNCUT = Plan()
KINDS = tuple(SliceKind)
SMALL = ("a100-x1", "t4-x1", "b60-x1", "rngd-x1", "gaudi3-x1", "domain-0001", "domain-10000")
CUT = MappingProxyType({name: make for name, make in BENCHES.items() if name != "whole"})


@dataclass(frozen=True)
class Scene:
    """A card that nobody uses, and what stands on it."""

    card: Card
    abilities: tuple[Ability, ...]
    plan: Plan = UNCUT
    slices: tuple[Slice, ...] = ()

    @property
    def rule(self) -> CardLayoutWant:
        """By which it was cut."""
        wants = tuple(
            CutWant(
                kind=SliceKind(cut.kind), type=cut.type, count=cut.count, resource_class=cut.resource_class,
                traits=cut.traits, memory_mib=cut.memory_mib, sharing=cuts.sharing_report(cut.sharing),
            )
            for cut in self.plan.cuts
        )  # fmt: skip
        return CardLayoutWant(match="known", cuts=wants, sharing=cuts.sharing_report(self.plan.sharing))

    def decided(self, rule: CardLayoutWant) -> layout.Decision:
        """By its host."""
        now = layout.CardNow(self.card, self.plan, stands=True, abilities=self.abilities)
        told = cuts.card_layouts(LayoutWant(version="1", cards=(rule,)))
        each = replace(told[0], match=f"address:{self.card.address}")
        return layout.plan_layout([now], [each], {}, builtin())[0]

    def foretold(
        self, rule: CardLayoutWant, before: CardLayoutWant | None = None, drift: str = ""
    ) -> Forecast:
        """From what its host reports. `before`: the rule of today, where that is not how it was cut."""
        stands = tuple(SliceGroup(each.kind, each.type, "free", None, 1) for each in self.slices)
        reported = cuts.abilities_report(self.card, self.abilities, self.slices)
        return forecast(CardNow(reported, stands, drift), Chosen(before or self.rule, 1), Chosen(rule, 1))

    def compare(self, rule: CardLayoutWant) -> Outcome:
        check((rule,))
        decision, found = self.decided(rule), self.foretold(rule)
        have = layout.described(self.plan)
        assert found.shall == layout.described(decision.plan)
        if found.outcome is Outcome.REFUSED:
            assert decision.drift == layout.drift(self.card, decision.plan, have, found.why, layout.CHANGE)
        elif found.outcome is Outcome.CUT:
            assert (decision.act, decision.drift) == (True, "")
        else:
            assert found.outcome in (Outcome.STANDS, Outcome.UNCHANGED)
            assert decision.settled
        return found.outcome


def one_of_each(host: FakeHost, *rules: str) -> tuple[Card, ...]:
    """The first of each product."""
    every = cards(scan(host.sysfs()), [parse_rule(rule) for rule in rules], builtin())
    return tuple({(card.device.vendor, card.device.product): card for card in every}.values())


def looked(host: FakeHost, folder: Path, *rules: str) -> list[Scene]:
    slicer = Slicer(host.sysfs(), Journal(folder / "claims"), LayoutJournal(folder / "layouts"))
    sight = slicer.look()
    return [
        Scene(card, slicer.abilities(card, sight), slicer.plan(card), slicer.slices(card, sight))
        for card in one_of_each(host, *rules)
    ]


def cut(bench: Bench, plan: Plan) -> Scene:
    bench.apply(plan)
    (scene,) = looked(bench.fake, bench.folder, bench.rule)
    return scene


def random_rule(random: Random, scene: Scene) -> CardLayoutWant:
    """Mostly of one kind that the card has, in numbers about those that it has room for."""
    has = [SliceKind(each.kind) for each in scene.abilities if each.kind is not Kind.WHOLE]
    most = max((each.most for each in scene.abilities), default=1)
    wants: dict[tuple[SliceKind, str], CutWant] = {}
    kind = random.choice([*has, *has, *KINDS])
    if kind is SliceKind.WHOLE:
        return CardLayoutWant(match="known", cuts=random.choice([(), (WHOLE,)]))
    for _ in range(random.randint(1, 3)):
        types = [each.type for each in scene.abilities if SliceKind(each.kind) is kind and each.type]
        type_ = random.choice([*types, *types, "nvidia-9999"]) if kind in TYPED else ""
        wants[kind, type_] = CutWant(kind=kind, type=type_, count=random.randint(1, most + 1))
        if random.random() < 0.1:
            kind = random.choice([each for each in KINDS if each is not SliceKind.WHOLE])
    return CardLayoutWant(match="known", cuts=tuple(wants.values()))


@pytest.mark.parametrize("name", NAMES)
def test_of_every_simulated_card_the_forecast_says_what_its_host_decides(name: str, tmp_path: Path) -> None:
    random = Random(name)
    for scene in looked(build(name, tmp_path), tmp_path):
        if not scene.card.others:
            for _ in range(examples(200)):
                scene.compare(random_rule(random, scene))


@pytest.mark.parametrize("name", CUT)
def test_of_a_card_that_is_cut_the_forecast_says_what_its_host_decides(name: str, tmp_path: Path) -> None:
    bench, random = CUT[name](tmp_path), Random(name)
    scene = cut(bench, Plan(bench.plan.cuts[-1:] if bench.kind is Kind.XE_VF else bench.plan.cuts))
    assert scene.compare(scene.rule) is Outcome.UNCHANGED
    for _ in range(examples(200)):
        scene.compare(random_rule(random, scene))


@pytest.mark.parametrize("name", CUT)
def test_a_rule_that_differs_in_what_slices_do_not_show_cuts_the_card_anew(name: str, tmp_path: Path) -> None:
    bench = CUT[name](tmp_path)
    first = replace(bench.plan.cuts[0], resource_class="CUSTOM_ONE")
    rest = () if bench.kind is Kind.XE_VF else bench.plan.cuts[1:]
    scene = cut(bench, Plan((first, *rest), bench.plan.sharing))
    named = scene.rule
    plain = [each.model_copy(update={"resource_class": None}) for each in named.cuts]
    assert scene.compare(named) is Outcome.UNCHANGED
    for cuts_, sharing in (
        (tuple(plain), None),
        (tuple(plain), named.sharing),
        (named.cuts, None),
        (named.cuts[::-1], named.sharing),
    ):
        rule = CardLayoutWant(match="known", cuts=cuts_, sharing=sharing)
        same = (rule.cuts, rule.sharing) == (named.cuts, named.sharing)
        assert scene.compare(rule) is (Outcome.UNCHANGED if same else Outcome.CUT)


def test_a_card_that_could_not_follow_today_s_rule_stands_as_it_was_cut_before(tmp_path: Path) -> None:
    bench = BENCHES["mdev"](tmp_path)
    scene = cut(bench, bench.plan)
    named = scene.rule.cuts[0].model_copy(update={"resource_class": "CUSTOM_ONE"})
    today = CardLayoutWant(match="known", cuts=(named,))
    assert scene.decided(scene.rule).settled
    assert scene.foretold(scene.rule, today, drift="it is in use").outcome is Outcome.STANDS
    assert scene.foretold(scene.rule, today).outcome is Outcome.CUT


def test_a_whole_card_with_a_class_of_its_own_is_not_one_without(tmp_path: Path) -> None:
    bench = BENCHES["whole"](tmp_path)
    scene = cut(bench, Plan((Cut(Kind.WHOLE, resource_class="CUSTOM_ONE"),)))
    assert scene.compare(CardLayoutWant(match="known", cuts=(WHOLE,))) is Outcome.CUT
    assert scene.compare(CardLayoutWant(match="known")) is Outcome.CUT
    scene = replace(scene, plan=UNCUT)
    assert scene.compare(CardLayoutWant(match="known", cuts=(WHOLE,))) is Outcome.UNCHANGED


def ability(kind: Kind, type_: str, most: int, refused: str) -> Ability:
    return Ability(kind, type_, most=most, refused="" if type_ else refused)


@st.composite
def anything_said(draw: st.DrawFn) -> tuple[Ability, ...]:
    """One kind's types, or that it has none or names them later; several kinds."""
    said: list[Ability] = []
    for kind in draw(st.lists(st.sampled_from(list(Kind)), unique=True, max_size=4)):
        types = draw(st.lists(st.sampled_from(["a", "b", "c"]), unique=True)) if kind.value in TYPED else []
        refused = draw(st.sampled_from(["", "its driver keeps them"]))
        said += [ability(kind, each, draw(st.integers(0, 4)), refused) for each in types or [""]]
    return tuple(said)


def wanted_cut(kind: SliceKind, type_: str, count: int) -> CutWant:
    return CutWant(kind=kind, type=type_ if kind in TYPED else "", count=count)


RULES = st.lists(
    st.builds(
        wanted_cut,
        st.sampled_from([each for each in KINDS if each is not SliceKind.WHOLE]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 5),
    ),
    unique_by=lambda each: (each.kind, each.type),
    max_size=3,
).map(lambda wants: CardLayoutWant(match="known", cuts=tuple(wants)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    host = FakeHost(tmp_path_factory.mktemp("host"))
    host.add(NPU)
    (scene,) = looked(host, tmp_path_factory.mktemp("agent"), f"address:{CARD}")
    return scene


@given(said=anything_said(), rule=RULES)
@settings(max_examples=examples(400), deadline=None)
def test_whatever_a_driver_says_both_draw_the_same_from_it(
    whole: Scene, said: Sequence[Ability], rule: CardLayoutWant
) -> None:
    replace(whole, abilities=tuple(said)).compare(rule)


@pytest.mark.parametrize(("kind", "type_"), [(Kind.MDEV, "nvidia-558"), (Kind.VF, "")])
def test_a_card_that_shares_its_group_is_refused_for_that(whole: Scene, kind: Kind, type_: str) -> None:
    card = replace(whole.card, others=("0000:41:00.1",))
    scene = replace(whole, card=card, abilities=(Ability(kind, type_, most=4),))
    for count in (1, 5):
        rule = CardLayoutWant(match="known", cuts=(wanted_cut(SliceKind(kind), type_, count),))
        assert scene.compare(rule) is Outcome.REFUSED
        assert scene.foretold(rule).why.startswith("it shares its IOMMU group with 0000:41:00.1")


def test_a_rule_fits_the_cards_of_a_report_that_it_fits_on_their_hosts(tmp_path: Path) -> None:
    unknown = FakeHost(tmp_path / "unknown")
    unknown.add(gpu(product=0xFFFE))
    there = [
        *one_of_each(unknown, "class:0302"),
        *(card for name in SMALL for card in one_of_each(build(name, tmp_path / name))),
    ]
    seen = [seen_card(card) for card in there]
    assert {card.known for card in seen} == {True, False}
    rules = {"known", "10de:0000", *(rule for card in seen for rule in rules_of(card))}
    for rule in sorted(rules):
        for card, reported in zip(there, seen, strict=True):
            assert fits(rule, reported) is parse_rule(rule).fits(card.device, builtin()), (rule, card.name)


def seen_card(card: Card) -> SeenCard:
    device = card.device
    return SeenCard(
        card.name, card.address, f"{device.vendor:04x}", f"{device.product:04x}",
        class_code=f"{device.class_code:06x}", known=KNOWN.fits(device, builtin()),
    )  # fmt: skip


def rules_of(card: SeenCard) -> tuple[str, ...]:
    return (
        card.ids, card.ids.upper(), f" {card.ids} ", card.address, f"address:{card.address}",
        f"class:{card.class_code}", f"class:{card.class_code[:4]}",
    )  # fmt: skip
