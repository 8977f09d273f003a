"""What a host is told to have."""

import re
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.accelerator.records import ClaimRecord
from kcloud_api.compute.console import tail
from kcloud_api.compute.records import FlavorSnapshot, ImageSnapshot, ServerRecord
from kcloud_api.compute.states import PowerState, Reboot, State
from kcloud_api.compute.wants import hostname, want_of
from kcloud_api.network.service import PortRecord
from kcloud_common.wire import Power, Presence

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = ClaimRecord(UUID(int=4), UUID(int=1), UUID(int=9), "pci_0000_41_00_0", ("0000:41:00.0",))
PORT = PortRecord(UUID(int=5), "fa:16:3e:00:00:01", ())


def server(state: State, *, wanted_on: bool = True) -> ServerRecord:
    return ServerRecord(
        id=UUID(int=1), project_id="p", user_id="u", name="Web One", description=None, state=state,
        generation=3, wanted_on=wanted_on,
        flavor=FlavorSnapshot(id="f", name="f", vcpus=2, ram_mib=512, disk_gib=4),
        image=ImageSnapshot(id=UUID(int=2), sha512="a" * 128, size=7, disk_format="qcow2"),
        key_name="k", public_key="ssh-ed25519 AAAA", user_data="aGk=", metadata={"a": "b"},
        config_drive=False, reservation_id="r-1", launch_index=0, host_id=UUID(int=9), host_name="host-1",
        fault=None, power=PowerState.NOSTATE, rebooting=Reboot.NONE, reboot_count=1, console_count=2,
        created_at=NOW, updated_at=NOW, launched_at=None, deleted_at=None,
    )  # fmt: skip


def test_a_server_is_wanted_with_all_that_it_needs() -> None:
    want = want_of(server(State.BUILDING), [CLAIM], [PORT])
    assert (want.presence, want.power, want.generation) == (Presence.PRESENT, Power.ON, 3)
    assert (want.vcpus, want.memory_mib, want.disk_gib) == (2, 512, 4)
    assert want.image is not None
    assert want.image.sha512 == "a" * 128
    assert [claim.device for claim in want.claims] == ["pci_0000_41_00_0"]
    assert [port.mac for port in want.ports] == ["fa:16:3e:00:00:01"]
    assert want.guest is not None
    assert (want.guest.hostname, want.guest.public_key) == ("web-one", "ssh-ed25519 AAAA")
    assert (want.reboot_count, want.console_count) == (1, 2)


def test_a_server_that_must_go_is_wanted_absent_with_the_claims_it_holds() -> None:
    want = want_of(server(State.DELETING), [CLAIM], [PORT])
    assert want.presence is Presence.ABSENT
    assert want.generation == 3
    assert [claim.id for claim in want.claims] == [CLAIM.id]


def test_a_server_that_is_to_be_off_is_present_and_off() -> None:
    want = want_of(server(State.SHUTOFF, wanted_on=False), [], [])
    assert (want.presence, want.power) == (Presence.PRESENT, Power.OFF)


@given(st.text(max_size=255))
def test_a_host_name_is_a_dns_label_or_empty(name: str) -> None:
    assert re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?", hostname(name))


def test_host_names_are_made_as_nova_makes_them() -> None:
    assert hostname("My Server_1.example") == "my-server-1-example"
    assert hostname("***") == ""
    assert hostname("x" * 300) == "x" * 63


def test_the_tail_of_a_console_log_is_its_last_lines() -> None:
    log = b"one\r\ntwo\nthree\x1b[0m\n"
    assert tail(log, None) == "one\r\ntwo\nthree[0m\n"
    assert tail(log, -1) == tail(log, None)
    assert tail(log, 1) == "three[0m\n"
    assert tail(log, 0) == ""
    assert tail(b"\xff", None) == "�"


def test_a_console_log_does_not_speak_to_the_terminal_of_its_reader() -> None:
    assert tail("a\x1b[2J\x9b2J\x7fb\r\n\tc".encode(), None) == "a[2J2Jb\r\n\tc"
