"""The ports of servers in the database."""

from uuid import uuid4

from kcloud_api.db.engine import Database
from kcloud_api.network import service as network


def test_each_port_has_a_hardware_address_of_its_own(database: Database) -> None:
    with database.transaction() as session:
        made = [network.create_port(session, uuid4(), "p") for _ in range(20)]
    assert len({port.mac for port in made}) == 20
    assert all(port.mac.startswith("fa:16:3e:") for port in made)


def test_a_server_has_its_ports_with_the_addresses_that_its_host_reports(database: Database) -> None:
    server = uuid4()
    with database.transaction() as session:
        port = network.create_port(session, server, "p")
        for _ in range(2):
            network.record_addresses(session, server, ["192.168.222.10"])
        network.record_addresses(session, uuid4(), ["192.168.222.11"])
    with database.reading() as session:
        (found,) = network.ports_of(session, [server])[server]
    assert (found.id, found.mac, found.addresses) == (port.id, port.mac, ("192.168.222.10",))


def test_deleting_ports_twice_is_deleting_them_once(database: Database) -> None:
    server, other = uuid4(), uuid4()
    with database.transaction() as session:
        for owner in (server, server, other):
            network.create_port(session, owner, "p")
        for _ in range(2):
            network.delete_ports(session, server)
        assert set(network.ports_of(session, [server, other])) == {other}
