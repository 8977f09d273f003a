"""One suite for all ways of cutting cards: what is offered can be started, and comes back as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.slice_bench import BENCHES, Bench, claim, settled
from vfio.errors import DeviceBusy, DeviceGone, LayoutRefused
from vfio.slices.model import Ability, Cut, Kind, Plan, Slice


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    name: str = request.param
    return BENCHES[name](tmp_path)


def check_held(bench: Bench, each: Slice) -> None:
    drivers = [
        bench.sysfs().readlink(f"sys/bus/pci/devices/{a}/driver").rpartition("/")[2] for a in each.addresses
    ]
    assert drivers == [bench.driver_while_held] * len(each.addresses)
    if each.mdev is not None:
        assert bench.sysfs().exists(f"sys/bus/mdev/devices/{each.mdev}")


# --- layouts --------------------------------------------------------------------------------------------


def test_a_layout_that_is_applied_stands_with_all_its_slices(bench: Bench) -> None:
    made = bench.apply()
    assert len(made) == bench.plan.count
    assert {each.kind for each in made} == {bench.kind}
    assert len({each.name for each in made}) == len(made)
    assert bench.slices() == made
    slicer = bench.process()
    assert slicer.stands(bench.card(), bench.plan, slicer.look())


def test_undoing_a_layout_leaves_the_host_as_it_was(bench: Bench) -> None:
    before = bench.picture()
    bench.apply()
    bench.undo()
    assert bench.picture() == before
    assert bench.records() == []
    bench.undo()
    assert bench.picture() == before


def test_applying_what_stands_changes_nothing(bench: Bench) -> None:
    made = bench.apply()
    standing = bench.picture()
    assert bench.apply() == made
    assert bench.picture() == standing


def test_another_layout_takes_the_place_of_one_that_stands(bench: Bench) -> None:
    before = bench.picture()
    assert len(bench.apply(bench.smaller)) == 1
    assert len(bench.apply()) == bench.plan.count
    bench.apply(Plan())
    assert bench.picture() == before


def test_shares_are_of_one_card_and_every_slice_has_one(bench: Bench) -> None:
    shares = [each.share for each in bench.apply()]
    assert all(shares)
    assert sum(shares) <= 1000


def test_what_cannot_be_is_refused_and_nothing_is_left_of_it(bench: Bench) -> None:
    before = bench.picture()
    many = replace(bench.plan.cuts[0], count=4000)
    with pytest.raises(LayoutRefused, match=bench.card().name):
        bench.apply(Plan((many, *bench.plan.cuts[1:]), bench.plan.sharing))
    assert bench.picture() == before
    assert bench.records() == []
    assert [each.kind for each in bench.slices()] == [Kind.WHOLE]


def test_two_ways_of_cutting_one_card_are_refused(bench: Bench) -> None:
    before = bench.picture()
    other = Cut(Kind.WHOLE) if bench.kind is not Kind.WHOLE else Cut(Kind.VF)
    with pytest.raises(LayoutRefused, match="one way at a time"):
        bench.apply(Plan((*bench.plan.cuts, other)))
    assert bench.picture() == before


def test_the_host_s_next_process_knows_what_stands(bench: Bench) -> None:
    bench.apply()
    assert bench.process().plan(bench.card()) == bench.plan


# --- capacity -------------------------------------------------------------------------------------------


def usable(bench: Bench) -> list[Ability]:
    """What the card says of the bench's kind, on an empty card."""
    return [ability for ability in bench.abilities() if not ability.refused]


def test_asking_what_a_card_can_do_leaves_it_as_it_was(bench: Bench) -> None:
    before = bench.picture()
    slicer = bench.process()
    assert bench.kind in {ability.kind for ability in slicer.abilities(bench.card(), slicer.look())}
    assert bench.picture() == before
    assert bench.records() == []


def test_of_each_sort_as_many_can_be_started_as_were_promised_and_no_more(bench: Bench) -> None:
    before = bench.picture()
    for ability in usable(bench):
        most = bench.standing.get(ability.type, ability.most)
        assert most <= ability.most
        made = bench.apply(Plan((Cut(bench.kind, ability.type, most),)))
        slicer = bench.process()
        for number, each in enumerate(made):
            slicer.prepare(claim(number), each)
            check_held(bench, each)
        for number in range(len(made)):
            slicer.release(claim(number))
        bench.undo()
        with pytest.raises(LayoutRefused):
            bench.apply(Plan((Cut(bench.kind, ability.type, most + 1),)))
        assert bench.picture() == before


def test_a_cut_card_still_says_what_it_could_be_when_empty(bench: Bench) -> None:
    empty = usable(bench)
    bench.apply()
    slicer = bench.process()
    full = slicer.abilities(bench.card(), slicer.look())
    assert [ability for ability in full if ability.kind is bench.kind] == empty


# --- claims ---------------------------------------------------------------------------------------------


def test_a_slice_is_prepared_and_comes_back_as_it_was(bench: Bench) -> None:
    made = bench.apply()
    standing = settled(bench.picture())
    for each in made:
        taken = bench.process().prepare(claim(1), each)
        assert set(each.addresses) <= set(taken)
        check_held(bench, each)
        assert list(bench.process().prepared()) == [claim(1)]
        assert bench.slices() == made
        bench.process().release(claim(1))
        assert settled(bench.picture()) == standing
        assert bench.process().prepared() == {}
    assert bench.slices() == made


@pytest.mark.parametrize("backwards", [False, True])
def test_all_slices_are_held_at_once_and_come_back_in_any_order(bench: Bench, backwards: bool) -> None:
    before = bench.picture()
    made = bench.apply()
    for number, each in enumerate(made):
        bench.process().prepare(claim(number), each)
    for each in made:
        check_held(bench, each)
    for number in sorted(range(len(made)), reverse=backwards):
        bench.process().release(claim(number))
    assert bench.slices() == made
    bench.undo()
    assert bench.picture() == before


def test_preparing_and_releasing_twice_is_doing_it_once(bench: Bench) -> None:
    each = bench.apply()[0]
    standing = settled(bench.picture())
    slicer = bench.process()
    first = slicer.prepare(claim(1), each)
    held = bench.picture()
    assert bench.process().prepare(claim(1), each) == first
    assert bench.picture() == held
    slicer.release(claim(1))
    slicer.release(claim(1))
    assert settled(bench.picture()) == standing


def test_a_slice_has_one_claim_at_a_time(bench: Bench) -> None:
    each = bench.apply()[0]
    bench.process().prepare(claim(1), each)
    with pytest.raises(DeviceBusy, match=str(claim(1))):
        bench.process().prepare(claim(2), each)
    assert list(bench.process().prepared()) == [claim(1)]


def test_a_claim_has_one_slice(bench: Bench) -> None:
    first, *others = bench.apply()
    bench.process().prepare(claim(1), first)
    for other in others:
        with pytest.raises(DeviceBusy, match="release it first"):
            bench.process().prepare(claim(1), other)


def test_a_card_of_which_a_slice_is_held_is_not_cut_anew(bench: Bench) -> None:
    made = bench.apply()
    bench.process().prepare(claim(1), made[-1])
    standing = bench.picture()
    for plan in (Plan(), bench.smaller):
        with pytest.raises(DeviceBusy, match=str(claim(1))):
            bench.apply(plan)
    assert bench.picture() == standing
    assert bench.apply() == made
    slicer = bench.process()
    busy = slicer.busy(bench.card(), Plan(), slicer.look())
    assert busy is not None
    assert str(claim(1)) in busy.why
    assert busy.ends


def test_a_slice_of_a_layout_that_is_gone_cannot_be_prepared(bench: Bench) -> None:
    if bench.kind is Kind.WHOLE:
        return  # a card is whole without any layout
    made = bench.apply()
    bench.undo()
    before = bench.picture()
    for each in made:
        with pytest.raises(DeviceGone, match="is not cut"):
            bench.process().prepare(claim(1), each)
    assert bench.picture() == before
    assert bench.records() == []


def test_a_cut_card_is_not_given_away_whole(bench: Bench) -> None:
    if bench.kind is Kind.WHOLE:
        return  # it is just that
    whole = bench.slices()
    bench.apply()
    standing = bench.picture()
    with pytest.raises(DeviceBusy, match="not cut so"):
        bench.process().prepare(claim(1), whole[0])
    assert bench.picture() == standing


# --- reboot ---------------------------------------------------------------------------------------------


def test_after_a_reboot_the_same_slices_are_made_again(bench: Bench) -> None:
    made = bench.apply()
    bench.fake.reboot()
    slicer = bench.process()
    assert not slicer.stands(bench.card(), bench.plan, slicer.look())
    assert slicer.plan(bench.card()) == bench.plan
    assert bench.apply() == made


def test_after_a_reboot_claims_keep_their_slices(bench: Bench) -> None:
    made = bench.apply()
    standing = settled(bench.picture())
    for number, each in enumerate(made):
        bench.process().prepare(claim(number), each)
    bench.fake.reboot()
    with pytest.raises(DeviceBusy, match=str(claim(0))):
        bench.apply(Plan())
    bench.apply()
    for number, each in enumerate(made):
        bench.process().prepare(claim(number), each)
        check_held(bench, each)
    for number in range(len(made)):
        bench.process().release(claim(number))
    assert {path: text for path, text in settled(bench.picture()).items() if "boot_id" not in path} == {
        path: text for path, text in standing.items() if "boot_id" not in path
    }


def test_a_reboot_is_an_undone_layout(bench: Bench) -> None:
    bench.apply()
    bench.fake.reboot()
    before = bench.picture()
    bench.undo()
    assert bench.picture() == before
    assert bench.records() == []
