"""What is accepted can all be started, what is refused does not fit: for every simulated card and any mix."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from tests.slice_bench import CARD, Bench, bench, claim
from tests.thoroughness import examples
from vfio.errors import LayoutRefused
from vfio.scan import scan
from vfio.sim import cards
from vfio.sim.boards import Placed, place
from vfio.sim.function import Board, Cutting, FakeFunction, VgpuType
from vfio.sim.trees import build
from vfio.slices.cards import cards as cards_of
from vfio.slices.model import Cut, Kind, Plan

pytestmark = pytest.mark.slow

FUNCTIONS = 6


def seated(model: FakeFunction, *, mixed: bool = False, mig: bool = False) -> FakeFunction:
    """With few virtual functions, so that they run out as well as the memory does."""
    board = model.board and replace(model.board, mixed=mixed, mig=mig)
    return replace(model, address=CARD, group=41, total_vfs=min(model.total_vfs, FUNCTIONS), board=board)


CARDS: dict[str, tuple[Kind, FakeFunction]] = {
    "T4": (Kind.MDEV, seated(cards.T4)),
    "T4 mixed": (Kind.MDEV, seated(cards.T4, mixed=True)),
    "A100": (Kind.MDEV, seated(cards.A100)),
    "A100 mixed": (Kind.MDEV, seated(cards.A100, mixed=True)),
    "A100 on MIG": (Kind.MDEV, seated(cards.A100, mig=True)),
    "L40S": (Kind.VENDOR_VF, seated(cards.L40S)),
    "L40S mixed": (Kind.VENDOR_VF, seated(cards.L40S, mixed=True)),
    "H100 mixed": (Kind.VENDOR_VF, seated(cards.H100, mixed=True)),
    "H100 on MIG": (Kind.VENDOR_VF, seated(cards.H100, mig=True)),
    "Flex 170": (Kind.XE_VF, seated(cards.FLEX170)),
    "B60": (Kind.XE_VF, seated(cards.B60)),
}


def fits(board: Board, mix: Sequence[VgpuType], seats: int | None) -> bool:
    """Whether the card could start all of these in some order."""
    if seats is not None and len(mix) > seats:
        return False
    orders = permutations(dict.fromkeys(mix))
    return any(_starts(board, [kind for kind in order for _ in range(mix.count(kind))]) for order in orders)


def _starts(board: Board, order: Sequence[VgpuType]) -> bool:
    placed: list[Placed] = []
    for kind in order:
        one = place(board, placed, kind)
        if one is None:
            return False
        placed.append(one)
    return True


def some_mix(random: Random, board: Board) -> list[VgpuType]:
    offered = [each for each in board.types if each.mig == board.mig and each.most]
    chosen = random.sample(offered, min(len(offered), random.choice((1, 2, 2, 3))))
    return [kind for kind in chosen for _ in range(random.choice((1, 1, 2, 3)))]


def cuts(kind: Kind, board: Board, mix: Sequence[VgpuType]) -> tuple[Cut, ...]:
    names = dict.fromkeys(mix)
    prefix = "" if kind is Kind.VENDOR_VF else f"{board.prefix}-"
    return tuple(Cut(kind, f"{prefix}{each.number}", mix.count(each)) for each in names)


def check_mix(scene: Bench, plan: Plan, *, fitting: bool, random: Random) -> None:
    """In the order given, and turned round."""
    before = scene.picture()
    for order in (plan.cuts, plan.cuts[::-1]):
        if not fitting:
            with pytest.raises(LayoutRefused):
                scene.apply(Plan(order))
            assert scene.picture() == before
            continue
        made = list(scene.apply(Plan(order)))
        assert len(made) == plan.count
        random.shuffle(made)
        for number, each in enumerate(made):
            scene.process().prepare(claim(number), each)
        for number in random.sample(range(len(made)), len(made)):
            scene.process().release(claim(number))
        assert {each.name for each in scene.slices()} == {each.name for each in made}
        scene.undo()
        assert scene.picture() == before


@pytest.mark.parametrize("name", CARDS)
def test_a_mix_is_accepted_just_when_the_card_can_start_it(tmp_path: Path, name: str) -> None:
    kind, function = CARDS[name]
    board = function.board
    assert board is not None
    random = Random(name)
    scene = bench(tmp_path, kind, function, Plan(), None)
    for _ in range(examples(24)):
        if board.cutting is Cutting.XE:
            sizes = [random.choice((1, 2, 3, 5, 8, 12)) * 1024 for _ in range(random.randint(1, 7))]
            fitting = len(sizes) <= FUNCTIONS and sum(sizes) <= board.memory_mib
            plan = Plan(tuple(Cut(kind, memory_mib=size) for size in sizes))
        else:
            mix = some_mix(random, board)
            seats = None if board.cutting is Cutting.PF_MDEV else FUNCTIONS
            fitting = fits(board, mix, seats)
            plan = Plan(cuts(kind, board, mix))
        check_mix(scene, plan, fitting=fitting, random=random)


@pytest.mark.parametrize("name", [name for name in CARDS if CARDS[name][0] is Kind.MDEV])
def test_of_each_type_as_many_are_promised_as_can_be_started(tmp_path: Path, name: str) -> None:
    kind, function = CARDS[name]
    board = function.board
    assert board is not None
    scene = bench(tmp_path, kind, function, Plan(), None)
    first = next(each for each in board.types if each.mig == board.mig and each.most)
    promised = {each.type: each.most for each in scene.abilities(*cuts(kind, board, [first]))}
    seats = None if board.cutting is Cutting.PF_MDEV else FUNCTIONS
    real = {}
    for each in board.types:
        most = max((n for n in range(1, 41) if fits(board, [each] * n, seats)), default=0)
        if most:
            real[f"{board.prefix}-{each.number}"] = most
    # A driver's max_instance is kept to even where sizes are mixed.
    assert promised == {kind: min(most, promised.get(kind, most)) for kind, most in real.items()}


@pytest.mark.parametrize("name", ["rngd-x2", "ca22-x1", "mi300x-x1", "ca25-x1", "domain-10000", "no-numa"])
def test_every_function_that_a_simulated_card_promises_can_be_held(tmp_path: Path, name: str) -> None:
    host = build(name, tmp_path / "host")
    before = host.picture()
    for card in cards_of(scan(host.sysfs())):
        scene = Bench(Kind.VF, host.sysfs, host.picture, tmp_path / "agent", Plan(), None, host=host)
        scene.rule = f"address:{card.address}"
        slicer = scene.process()
        abilities = {each.kind: each for each in slicer.abilities(card, slicer.look())}
        if Kind.VF not in abilities or abilities[Kind.VF].refused:
            continue
        made = scene.apply(Plan((Cut(Kind.VF, count=abilities[Kind.VF].most),)))
        for number, each in enumerate(made):
            scene.process().prepare(claim(number), each)
        assert {host.driver_of(a) for each in made for a in each.addresses} == {"vfio-pci"}
        for number in range(len(made)):
            scene.process().release(claim(number))
        scene.undo()
    assert host.picture() == before
