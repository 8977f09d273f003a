"""What libvirt says about host and networks, read; and the network that it is asked for."""

from dataclasses import replace

import pytest

from hypervisor_drivers.libvirt.capabilities import Node, capabilities, dotted, host_xml
from hypervisor_drivers.libvirt.network_xml import differences, network_seen, network_xml
from hypervisor_drivers.spec import NetworkSpec

CAPABILITIES = """
<capabilities>
  <host><uuid>0</uuid><cpu><arch>x86_64</arch></cpu></host>
  <guest><os_type>hvm</os_type>
    <arch name='i686'><emulator>/usr/bin/qemu-system-i386</emulator><domain type='qemu'/></arch>
  </guest>
  <guest><os_type>hvm</os_type>
    <arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <domain type='qemu'/><domain type='kvm'/>
    </arch>
  </guest>
</capabilities>
"""
NETWORK = NetworkSpec("kcloud", "kcloud0", "192.168.222.0/24")
DEFAULT = """
<network connections='2'>
  <name>default</name><uuid>u-1</uuid>
  <forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp>
  </ip>
</network>
"""


def test_the_emulator_and_types_are_those_of_the_hosts_own_architecture() -> None:
    host = host_xml(CAPABILITIES)

    assert host.arch == "x86_64"
    assert host.emulators["x86_64"] == "/usr/bin/qemu-system-x86_64"
    assert host.virt_types == {"qemu", "kvm"}


def test_capabilities_carry_the_type_that_was_found_to_work() -> None:
    found = capabilities(host_xml(CAPABILITIES), Node("QEMU", 7002022, 8, 16000), "qemu")

    assert (found.hypervisor_type, found.version, found.virt_type) == ("QEMU", "7.2.22", "qemu")
    assert (found.vcpus, found.memory_mib) == (8, 16000)
    assert "HW_ARCH_X86_64" in found.traits


@pytest.mark.parametrize(("packed", "text"), [(7002022, "7.2.22"), (10000013, "10.0.13"), (9000000, "9.0.0")])
def test_packed_versions_are_unpacked(packed: int, text: str) -> None:
    assert dotted(packed) == text


def test_the_host_has_the_first_address_and_dhcp_the_rest() -> None:
    xml = network_xml(NETWORK)

    assert 'address="192.168.222.1"' in xml
    assert '<range start="192.168.222.2" end="192.168.222.254" />' in xml


@pytest.mark.parametrize("cidr", ["192.168.222.0/24", "10.9.0.0/16", "10.9.8.128/25"])
def test_the_network_that_was_asked_for_needs_no_change(cidr: str) -> None:
    spec = replace(NETWORK, cidr=cidr)

    assert differences(network_seen(network_xml(spec, uuid="u-2")), spec) == ()


def test_a_different_network_says_what_is_different() -> None:
    seen = network_seen(DEFAULT)

    assert (seen.uuid, seen.connections) == ("u-1", 2)
    assert differences(seen, NETWORK) == (
        "bridge is virbr0, not kcloud0",
        "cidr is 192.168.122.0/24, not 192.168.222.0/24",
    )


def test_an_isolated_network_without_addresses_is_not_taken_for_ours() -> None:
    seen = network_seen("<network><name>kcloud</name><bridge name='kcloud0'/></network>")

    assert differences(seen, NETWORK) == (
        "forward is isolated, not nat",
        "cidr is missing, not 192.168.222.0/24",
    )
