"""A layout is planned for empty cards alone; the others are explained. Applied, a plan rests."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.slice_bench import BENCHES, CARD, NPU, Bench, claim
from tests.thoroughness import examples
from vfio.catalogue import builtin
from vfio.errors import BindingError
from vfio.layout import CardNow, Decision, described, plan_layout, wanted
from vfio.slices import naming
from vfio.slices.model import Ability, Card, CardLayout, Cut, Kind, Plan, Policy, Sharing
from vfio.slices.sharing import of_cut, share
from vfio.testing import FakeHost

VFS = Cut(Kind.VF, count=2)
LAYOUT = (
    CardLayout(f"address:{CARD}", (VFS,)),
    CardLayout("1ed2:0001"),
    CardLayout("known", (Cut(Kind.WHOLE),)),
)
ABLE = (Ability(Kind.WHOLE, most=1), Ability(Kind.VF, most=8))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    host = FakeHost(tmp_path_factory.mktemp("host"))
    host.add(NPU)
    return Bench(Kind.VF, host.sysfs, host.picture, tmp_path_factory.mktemp("agent"), Plan(), None).card()


def decide(now: CardNow, *layout: CardLayout, busy: str = "") -> Decision:
    return plan_layout([now], layout, {now.card.name: busy} if busy else {}, builtin())[0]


def test_the_first_rule_that_fits_a_card_counts(card: Card) -> None:
    assert wanted(card, LAYOUT, builtin()) == Plan((VFS,))
    assert wanted(card, LAYOUT[1:], builtin()) == Plan()
    assert wanted(card, LAYOUT[2:], builtin()) == Plan()
    assert wanted(card, [CardLayout("10de:20b5", (VFS,))], builtin()) == Plan()


def test_a_card_that_is_whole_is_left_alone_by_a_rule_that_says_so(card: Card) -> None:
    by_name = CardLayout("known", (Cut(Kind.WHOLE),))
    assert decide(CardNow(card, Plan(), stands=True, abilities=ABLE), by_name, busy="held").settled
    named_otherwise = CardLayout("known", (Cut(Kind.WHOLE, resource_class="CUSTOM_CARD"),))
    assert decide(CardNow(card, Plan(), stands=True, abilities=ABLE), named_otherwise).act


def test_an_empty_card_that_differs_is_cut(card: Card) -> None:
    decision = decide(CardNow(card, Plan(), stands=True, abilities=ABLE), LAYOUT[0])
    assert (decision.act, decision.plan, decision.drift) == (True, Plan((VFS,)), "")
    assert not decision.settled


def test_a_card_that_stands_is_left_alone_even_while_it_is_used(card: Card) -> None:
    decision = decide(
        CardNow(card, Plan((VFS,)), stands=True, abilities=ABLE), LAYOUT[0], busy="held by claim 1"
    )
    assert decision.settled


def test_an_incomplete_card_is_cut_again(card: Card) -> None:
    assert decide(CardNow(card, Plan((VFS,)), stands=False, abilities=ABLE), LAYOUT[0]).act


def test_what_claims_hold_slices_of_is_made_again_although_the_layout_has_changed(card: Card) -> None:
    decision = decide(CardNow(card, Plan((VFS,)), stands=False, abilities=ABLE), busy="held by claim 1")
    assert (decision.act, decision.plan) == (True, Plan((VFS,)))
    assert decision.drift == (
        "card pci_0000_41_00_0 shall be whole and is 2 vf (incomplete): held by claim 1. What its servers "
        "hold is made again first; it is cut when they have left."
    )


def test_what_claims_hold_slices_of_is_not_made_again_before_its_driver_is_there(card: Card) -> None:
    decision = decide(CardNow(card, Plan((VFS,)), stands=False), LAYOUT[0], busy="held by claim 1")
    assert (decision.act, decision.plan) == (False, Plan((VFS,)))
    assert decision.drift == (
        "card pci_0000_41_00_0 shall be 2 vf and is 2 vf (incomplete): held by claim 1; its kernel offers no "
        "vf on it; it offers nothing. What its servers hold is made again as soon as its driver offers that."
    )


def test_a_card_that_no_rule_fits_any_more_is_made_whole(card: Card) -> None:
    decision = decide(CardNow(card, Plan((VFS,)), stands=True, abilities=ABLE))
    assert (decision.act, decision.plan) == (True, Plan())


def test_drift_names_the_card_and_what_it_shall_be_and_is_and_why(card: Card) -> None:
    decision = decide(CardNow(card, Plan(), stands=True, abilities=ABLE), LAYOUT[0], busy="held by claim 1")
    assert decision.drift == (
        "card pci_0000_41_00_0 shall be 2 vf and is whole: held by claim 1. It gets no new servers, and is "
        "cut when that has ended."
    )
    assert not decision.act


@pytest.mark.parametrize(
    ("cuts", "why"),
    [
        ((Cut(Kind.VF, count=9),), "room for 8"),
        ((VFS, Cut(Kind.XE_VF)), "two"),
        (
            (Cut(Kind.MDEV, "nvidia-1"),),
            "offers no mdev on it; it offers vf, whole. Change the layout's rule",
        ),
    ],
)
def test_what_the_kernel_has_said_already_is_not_tried(card: Card, cuts: tuple[Cut, ...], why: str) -> None:
    decision = decide(CardNow(card, Plan(), stands=True, abilities=ABLE), CardLayout("known", cuts))
    assert not decision.act
    assert why in decision.drift


def test_a_type_that_is_not_known_yet_is_tried(card: Card) -> None:
    able = (Ability(Kind.VENDOR_VF, most=32, refused="later"),)
    layout = CardLayout("known", (Cut(Kind.VENDOR_VF, "1145", 2),))
    assert decide(CardNow(card, Plan(), stands=True, abilities=able), layout).act


def test_a_rule_without_sense_changes_nothing(card: Card) -> None:
    decision = decide(CardNow(card, Plan((VFS,)), stands=True), CardLayout("gpu", ()))
    assert not decision.act
    assert "rule 'gpu'" in decision.drift


def test_plans_are_described_in_words() -> None:
    plan = Plan((Cut(Kind.MDEV, "nvidia-558", 2), Cut(Kind.XE_VF, memory_mib=4096)))
    assert described(plan) == "2 mdev nvidia-558, 1 xe-vf with 4096 MiB"


# --- names and shares ------------------------------------------------------------------------------------


def test_slices_of_one_sort_have_their_product_s_class_and_of_several_one_each(card: Card) -> None:
    one, other = Cut(Kind.MDEV, "nvidia-558"), Cut(Kind.MDEV, "nvidia-559", resource_class="VGPU")
    gpu = replace(card, slice_class="VGPU", resource_class="PGPU")
    assert naming.resource_class(gpu, Plan((one,)), one) == "VGPU"
    assert naming.resource_class(gpu, Plan((one, other)), one) == "CUSTOM_VGPU_NVIDIA_558"
    assert naming.resource_class(gpu, Plan((one, other)), other) == "VGPU"
    assert naming.resource_class(gpu, Plan((one,)), Cut(Kind.WHOLE)) == "PGPU"
    small = Cut(Kind.XE_VF, memory_mib=4096)
    assert naming.resource_class(card, Plan((small, one)), small) == "CUSTOM_NPU_SLICE_4096M"


def test_a_cut_s_sharing_is_laid_over_its_card_s() -> None:
    cut = Cut(Kind.XE_VF, sharing=Sharing(weight=2))
    assert of_cut(Plan((cut,), Sharing(quantum_us=4000)), cut) == Sharing(quantum_us=4000, weight=2)


@settings(deadline=None, max_examples=examples(100))
@given(
    counts=st.lists(st.integers(1, 64), min_size=1, max_size=4),
    most=st.integers(1, 64),
    policy=st.sampled_from([None, *Policy]),
)
def test_shares_never_promise_more_than_the_card(counts: list[int], most: int, policy: Policy | None) -> None:
    plan = Plan(tuple(Cut(Kind.MDEV, str(n), count) for n, count in enumerate(counts)), Sharing(policy))
    assert sum(share(plan, cut, most) * cut.count for cut in plan.cuts) <= 1000


# --- plans applied ---------------------------------------------------------------------------------------

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("layout"), st.sampled_from(["none", "bench", "smaller"])),
        st.tuples(st.sampled_from(["claim", "release"]), st.integers(0, 2)),
        st.just(("reboot",)),
    ),
    max_size=10,
)


@pytest.mark.parametrize("name", ["vf", "mdev", "vendor vf", "xe vf"])
@settings(deadline=None, max_examples=examples(16))
@given(actions=ACTIONS)
def test_whatever_happens_a_plan_acts_only_on_an_empty_card_and_then_rests(
    tmp_path_factory: pytest.TempPathFactory, name: str, actions: list[tuple[object, ...]]
) -> None:
    scene = BENCHES[name](tmp_path_factory.mktemp("scene"))
    plans = {"none": Plan(), "bench": scene.plan, "smaller": scene.smaller}
    layout: tuple[CardLayout, ...] = ()
    held: dict[int, str] = {}
    for action in actions:
        match action:
            case ("layout", str(which)):
                layout = (CardLayout(scene.rule, plans[which].cuts, plans[which].sharing),)
            case ("reboot",):
                scene.fake.reboot()
            case ("claim", int(number)):
                free = [each for each in scene.slices() if each.name not in held.values()]
                if free and number not in held and settled_now(scene, layout):
                    scene.process().prepare(claim(number), free[0])
                    held[number] = free[0].name
            case ("release", int(number)):
                scene.process().release(claim(number))
                held.pop(number, None)
        converge(scene, layout, held)
    for number in held:
        scene.process().release(claim(number))
    converge(scene, layout, {})
    assert settled_now(scene, layout)


def decision_of(scene: Bench, layout: tuple[CardLayout, ...]) -> Decision:
    slicer = scene.process()
    card, sight = scene.card(slicer), slicer.look()
    has = slicer.plan(card)
    shall = wanted(card, layout, builtin())
    now = CardNow(card, has, slicer.stands(card, has, sight), slicer.abilities(card, sight))
    busy = slicer.busy(card, shall, sight)
    return plan_layout([now], layout, {card.name: busy.why} if busy else {}, builtin())[0]


def settled_now(scene: Bench, layout: tuple[CardLayout, ...]) -> bool:
    return decision_of(scene, layout).settled


def converge(scene: Bench, layout: tuple[CardLayout, ...], held: dict[int, str]) -> None:
    decision = decision_of(scene, layout)
    if decision.act:
        scene.apply(decision.plan)
        decision = decision_of(scene, layout)
        assert not decision.act
    if decision.drift:
        assert held, decision.drift
        with pytest.raises(BindingError):
            scene.apply(decision.plan)
    names = set(scene.names())
    assert set(held.values()) <= names
    assert {claim(number) for number in held} <= scene.process().prepared().keys()
