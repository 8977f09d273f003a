"""The agent's options, one frozen dataclass per group of its configuration file."""

from dataclasses import dataclass

from kcloud_common.config import Conf, option


@dataclass(frozen=True, slots=True)
class AgentConf:
    """[agent]"""

    api_url: str = option("http://127.0.0.1:8774", help="Where the control plane answers, without a path.")
    ca_file: str = option("", help="Certificates to trust for an https api_url; empty: the system's.")
    host: str = option("", help="Name to enrol under; empty: this machine's host name.")
    state_dir: str = option("/var/lib/kcloud/compute", help="Where identity, images and servers are kept.")
    enrol_token: str = option("", help="File with the one-time enrolment token; read until enrolled.")
    hypervisor: str = option("libvirt", choices=("libvirt", "fake"), help="Which driver runs the guests.")
    report_interval: float = option(
        15.0, minimum=1, help="Seconds between reports when nothing changes; changes are reported at once."
    )
    poll_wait: float = option(
        30.0, minimum=1, maximum=300, help="Seconds that one request for the assignment is held open."
    )
    workers: int = option(8, minimum=1, maximum=256, help="Servers that are worked on at the same time.")
    resume_guests_state_on_host_boot: bool = option(
        False, help="Start servers again that ran when the host went down; else they are reported shut off."
    )
    reserved_memory_mib: int = option(512, minimum=0, help="Memory kept for the host itself.")
    shutdown_grace: float = option(
        60.0, minimum=0, help="Seconds a guest may take to shut down before the plug is pulled."
    )
    retry_window: float = option(
        300.0, minimum=0, help="Seconds of failing attempts after which a server is reported as faulty."
    )
    image_cache_gib: int = option(
        50, minimum=0, help="Images that no server uses are removed, oldest use first, above this size."
    )


@dataclass(frozen=True, slots=True)
class LibvirtConf:
    """[libvirt]"""

    uri: str = option("", help="Connection of the driver; empty: qemu:///system, or the fake's own memory.")
    virt_type: str = option(
        "auto", choices=("auto", "kvm", "qemu"), help="auto: kvm where a guest really starts with it."
    )
    network: str = option("kcloud", help="Name of the NAT network that guests are attached to.")
    bridge: str = option("kcloud0", help="Bridge of that network.")
    cidr: str = option("192.168.222.0/24", help="Addresses of that network; DHCP serves them.")


@dataclass(frozen=True, slots=True)
class DevicesConf:
    """[devices]"""

    offer: tuple[str, ...] = option(
        (),
        multi=True,
        help="Rule for devices to offer (vendor:product, class or address); may be repeated."
        " Without any: known accelerators that the host does not use itself.",
    )
    catalogue: tuple[str, ...] = option(
        (), multi=True, help="File with more of the catalogue, or other facts; may be repeated, later wins."
    )
    upmem_ranks: int = option(
        0,
        minimum=0,
        help="Ranks of UPMEM memory to report where no driver shows them. They are counted, and no server"
        " gets any.",
    )
    accepted_link: tuple[str, ...] = option(
        (),
        multi=True,
        help="ADDRESS=SPEEDxLANES, such as 0000:41:00.0=16x8: a link that is right so, though card and slot"
        " could do more (a riser). May be repeated.",
    )
    scrub_command: tuple[str, ...] = option(
        (),
        multi=True,
        help="METHOD=COMMAND: what clears the memory of devices whose catalogue entry names the method;"
        " {address} stands for a PCI function. May be repeated.",
    )
    read_back_command: tuple[str, ...] = option(
        (),
        multi=True,
        help="METHOD=COMMAND: what checks, after a scrub by that method, that memory is clear.",
    )
    scrub_deadline: float = option(
        3600.0, minimum=1, help="Seconds that such a command may take for one function."
    )


GROUPS: dict[str, type] = {"agent": AgentConf, "libvirt": LibvirtConf, "devices": DevicesConf}


@dataclass(frozen=True, slots=True)
class ComputeConf:
    """All that an agent is told by its operator."""

    agent: AgentConf
    libvirt: LibvirtConf = LibvirtConf()
    devices: DevicesConf = DevicesConf()


def from_groups(conf: Conf) -> ComputeConf:
    """What `kcloud_common.config.load(GROUPS, ...)` gave, with types."""
    return ComputeConf(agent=conf.agent, libvirt=conf.libvirt, devices=conf.devices)
