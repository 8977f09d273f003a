"""What a user may do with servers: each writes the desired state and an action, and wakes who acts on it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

from sqlmodel import Session

from kcloud_api.caller import Caller
from kcloud_api.compute import actions, assigning, guest_shape
from kcloud_api.compute.actions import CREATE, DELETE, REBOOT, START, STOP, Asker
from kcloud_api.compute.flavors.accelerators import NO_ALIASES, accelerators
from kcloud_api.compute.flavors.service import get_flavor
from kcloud_api.compute.keypairs.service import get_keypair
from kcloud_api.compute.reading import get_row, record_of
from kcloud_api.compute.records import ConsoleLog, FlavorSnapshot, ImageSnapshot, NewServer, ServerRecord
from kcloud_api.compute.sizing import check_fit
from kcloud_api.compute.states import Event, State, accepts, after, shown
from kcloud_api.compute.tables import ConsoleRow, ServerRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import wake_after_commit
from kcloud_api.image import service as image_service
from kcloud_api.scheduler import profiles
from kcloud_api.scheduler.aliases import Aliases
from kcloud_api.scheduler.device_policy import device_policy
from kcloud_api.scheduler.request import from_flavor
from kcloud_common.errors import BadRequest, Conflict, Forbidden, NotFound

NAMES = {
    Event.START: START,
    Event.STOP: STOP,
    Event.REBOOT: REBOOT,
    Event.SOFT_REBOOT: REBOOT,
    Event.DELETE: DELETE,
    Event.DROP: DELETE,
}
"""What a user asks for, by the name that its instance action has."""


def create_servers(
    session: Session, caller: Caller, new: NewServer, *, aliases: Aliases = NO_ALIASES
) -> tuple[ServerRecord, ...]:
    """Want one server, or `count` equal ones. BadRequest, in Nova's words, for what none can be made of."""
    if caller.project_id is None:
        raise Forbidden("A server belongs to a project: use a token that is scoped to one.")
    flavor = _flavor(session, caller, new.flavor_id, aliases)
    image = _image(session, caller, new.image_id, flavor)
    from_flavor(flavor.shape)
    device_policy(flavor.shape.extra_specs)
    guest_shape.check(flavor.extra_specs, flavor.vcpus, flavor.ram_mib)
    public_key = _public_key(session, caller, new.key_name)
    now = utcnow()
    reservation = f"r-{uuid4().hex[:8]}"
    rows = [
        ServerRow(
            id=uuid4(), project_id=caller.project_id, user_id=caller.user_id,
            name=new.name if new.count == 1 else f"{new.name}-{index + 1}", description=new.description,
            state=State.PLACING, flavor=flavor.model_dump(mode="json"),
            device_profile=flavor.extra_specs.get(profiles.KEY),
            image_id=image.id, image=image.model_dump(mode="json"),
            key_name=new.key_name, public_key=public_key, user_data=new.user_data,
            server_metadata=dict(new.metadata), config_drive=new.config_drive,
            reservation_id=reservation, launch_index=index, created_at=now, updated_at=now,
        )
        for index in range(new.count)
    ]  # fmt: skip
    session.add_all(rows)
    for row in rows:
        actions.begin(session, row.id, CREATE, _asker(caller), now=now)
    session.flush()
    wake_after_commit(session, "place")
    return tuple(record_of(row) for row in rows)


def _flavor(session: Session, caller: Caller, flavor_id: str, aliases: Aliases) -> FlavorSnapshot:
    try:
        found = get_flavor(session, caller, flavor_id)
    except NotFound:
        raise BadRequest(f"Flavor {flavor_id} could not be found.", field="flavorRef") from None
    return FlavorSnapshot(
        id=found.id, name=found.name, vcpus=found.vcpus, ram_mib=found.ram_mib, disk_gib=found.disk_gib,
        ephemeral_gib=found.ephemeral_gib, swap_mib=found.swap_mib, extra_specs=dict(found.extra_specs),
        asked=accelerators(session, found.extra_specs, aliases),
    )  # fmt: skip


def _image(session: Session, caller: Caller, image_id: UUID, flavor: FlavorSnapshot) -> ImageSnapshot:
    try:
        found = image_service.usable_image(session, caller, image_id)
    except NotFound:
        raise BadRequest("Can not find requested image", field="imageRef") from None
    check_fit(flavor, found)
    if found.sha512 is None or found.size is None or found.disk_format is None:
        raise BadRequest(f"Image {image_id} is not active.", field="imageRef")
    return ImageSnapshot(
        id=found.id, name=found.name, sha512=found.sha512, size=found.size, disk_format=found.disk_format
    )


def _public_key(session: Session, caller: Caller, key_name: str | None) -> str | None:
    if key_name is None:
        return None
    try:
        return get_keypair(session, caller.user_id, key_name).public_key
    except NotFound:
        raise BadRequest("Invalid key_name provided.", field="key_name") from None


def update_server(
    session: Session, caller: Caller, server_id: str, changes: Mapping[str, str | None]
) -> ServerRecord:
    """Change name or description. The guest keeps the host name that it booted with."""
    row = get_row(session, caller, server_id, lock=True)
    row.name = changes.get("name") or row.name
    if "description" in changes:
        row.description = changes["description"]
    row.updated_at = utcnow()
    session.flush()
    return record_of(row)


def replace_metadata(
    session: Session, caller: Caller, server_id: str, metadata: Mapping[str, str]
) -> Mapping[str, str]:
    """The server's metadata become these."""
    row = get_row(session, caller, server_id, lock=True)
    row.server_metadata = dict(metadata)
    row.updated_at = utcnow()
    session.flush()
    return row.server_metadata


def delete_server(session: Session, caller: Caller, server_id: str) -> ServerRecord:
    """Want it gone. What its host holds of it is released once the host says that it is gone; one that is on
    no host ends at once. May be repeated."""
    row = get_row(session, caller, server_id, lock=True)
    if row.state == State.DELETING:
        return record_of(row)
    now = utcnow()
    row.updated_at = now
    actions.begin(session, row.id, DELETE, _asker(caller), now=now)
    if row.host_id is None:
        row.state = after(State(row.state), Event.DROP)
        row.deleted_at = now
        actions.succeed(session, row.id, (DELETE,), now=now)
        actions.fail(session, row.id, now=now, details="The server was deleted.")
    else:
        row.state = after(State(row.state), Event.DELETE)
        row.generation += 1
        assigning.changed(session, row.host_id)
    session.flush()
    return record_of(row)


def start_server(session: Session, caller: Caller, server_id: str) -> None:
    """Conflict unless it is off."""
    row = _changeable(session, caller, server_id, Event.START)
    if row.power_on:
        raise _conflict(row, Event.START, "task_state powering-on")
    _ask(session, caller, row, Event.START, power_on=True)


def stop_server(session: Session, caller: Caller, server_id: str) -> None:
    """Conflict unless it runs, or is in error on a host."""
    row = _changeable(session, caller, server_id, Event.STOP)
    if not row.power_on:
        raise _conflict(row, Event.STOP, "task_state powering-off")
    _ask(session, caller, row, Event.STOP, power_on=False)


def reboot_server(session: Session, caller: Caller, server_id: str, *, hard: bool) -> None:
    """A hard one starts a server that is off or in error; a soft one needs it to run."""
    event = Event.REBOOT if hard else Event.SOFT_REBOOT
    row = _changeable(session, caller, server_id, event)
    if row.reboot_seen < row.reboot_count and not hard:
        raise _conflict(row, event, "task_state rebooting")
    row.reboot_count += 1
    row.reboot_hard = hard
    _ask(session, caller, row, event, power_on=True)


def ask_console(session: Session, caller: Caller, server_id: str) -> ServerRecord:
    """Have the host send its console log; the answer to this request has the record's `console_count`."""
    row = get_row(session, caller, server_id, lock=True)
    if row.host_id is None:
        raise Conflict(f"Instance {row.id} is not ready")
    row.console_count += 1
    assigning.changed(session, row.host_id)
    session.flush()
    return record_of(row)


def console_log(session: Session, server_id: UUID) -> ConsoleLog:
    """What the host sent last. The caller has been shown to own the server (ask_console)."""
    row = session.get(ConsoleRow, server_id)
    return ConsoleLog(row.count, row.log) if row is not None else ConsoleLog(0, b"")


def _changeable(session: Session, caller: Caller, server_id: str, event: Event) -> ServerRow:
    row = get_row(session, caller, server_id, lock=True)
    if not accepts(State(row.state), event) or row.host_id is None:
        raise _conflict(row, event, f"vm_state {shown(record_of(row).facts).vm_state}")
    return row


def _conflict(row: ServerRow, event: Event, while_in: str) -> Conflict:
    return Conflict(f"Cannot '{NAMES[event]}' instance {row.id} while it is in {while_in}")


def _ask(session: Session, caller: Caller, row: ServerRow, event: Event, *, power_on: bool) -> None:
    now: datetime = utcnow()
    row.state = after(State(row.state), event)
    row.power_on = power_on
    row.generation += 1
    row.updated_at = now
    actions.begin(session, row.id, NAMES[event], _asker(caller), now=now)
    if row.host_id is not None:
        assigning.changed(session, row.host_id)
    session.flush()


def _asker(caller: Caller) -> Asker:
    return Asker(caller.request_id or f"req-{uuid4()}", caller.project_id or "", caller.user_id)
