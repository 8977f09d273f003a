"""Decides what is to be done for devices' own sake: cutting, cleaning, what operators want. Pure."""

from collections.abc import Iterator, Sequence

from kcloud_common.wire import DeviceWant
from kcloud_compute.actions import CleanDevice, CutCard, DeviceAction, MaintainDevice, QuarantineDevice
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.observed import Observed
from vfio.lifecycle import State


def device_actions(wants: Sequence[DeviceWant], observed: Observed) -> tuple[DeviceAction, ...]:
    """At most one for each device, and for each card."""
    wanted = {want.name: want for want in wants}
    cuts = [CutCard(each.card, each.plan) for each in observed.decisions if each.act]
    cards = {cut.card.name for cut in cuts}
    ill = (
        {name for name, each in observed.offered.items() if each.card in observed.ill} if observed.ill else ()
    )
    names = sorted({*observed.devices, *ill} | (wanted.keys() & observed.offered.keys()))
    # Else cards would be cut again and again while others are, and never be looked at.
    found: list[DeviceAction] = [] if observed.dated else list(cuts)
    for name in names:
        offered = observed.offered.get(name)
        if offered is None or offered.card not in cards:
            record = observed.devices.get(name) or DeviceRecord(device=name)
            found += _of_device(record, wanted.get(name) or DeviceWant(name=name), observed)
    return tuple(found)


def _of_device(record: DeviceRecord, want: DeviceWant, observed: Observed) -> Iterator[DeviceAction]:
    name, state = record.device, record.state
    offered = observed.offered.get(name)
    evidence = observed.ill.get(offered.card, "") if offered else ""
    if evidence and state in (State.FREE, State.MAINTENANCE) and name not in _held(observed):
        yield QuarantineDevice(name, evidence)
    elif state is State.SANITISING and record.burn_in is not None:
        yield CleanDevice(name, record.burn_in)
    elif want.release_count > record.release_count and _may_burn_in(record, observed):
        yield CleanDevice(name, want.release_count, want.chain)
    elif state is State.FREE and want.maintenance and name not in _held(observed):
        yield MaintainDevice(name, True)
    elif state is State.MAINTENANCE and not want.maintenance:
        yield MaintainDevice(name, False)


def _may_burn_in(record: DeviceRecord, observed: Observed) -> bool:
    """Not while the control plane lacks its last certificate: the ledger would put it off again and again."""
    if record.certificate is not None:
        return False
    free = record.state is State.FREE and record.device not in _held(observed)
    return free or record.state is State.QUARANTINED


def _held(observed: Observed) -> set[str]:
    return {held.device for held in observed.claims.values()}
