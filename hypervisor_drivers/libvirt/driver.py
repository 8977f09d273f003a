"""QEMU through libvirt: the Driver's verbs."""

from collections.abc import Callable, Mapping
from uuid import UUID

from hypervisor_drivers.driver import Driver, DriverError, DriverRefused
from hypervisor_drivers.libvirt import networks, power
from hypervisor_drivers.libvirt.api import VirConnect, VirDomain
from hypervisor_drivers.libvirt.capabilities import Node, capabilities, host_xml
from hypervisor_drivers.libvirt.codes import Affect, Define, ErrorCode, Metadata, Undefine
from hypervisor_drivers.libvirt.connection import Connection, LibvirtError, tolerating
from hypervisor_drivers.libvirt.domain_xml import domain_xml, one_line
from hypervisor_drivers.libvirt.kvm_probe import working_virt_type
from hypervisor_drivers.libvirt.metadata_xml import NAMESPACE, PREFIX, metadata_text
from hypervisor_drivers.libvirt.observed import domain_seen, networks_by_mac
from hypervisor_drivers.libvirt.watching import Watching
from hypervisor_drivers.spec import Capabilities, DomainSeen, DomainSpec, NetworkSpec

_FORGET_ALL = (
    Undefine.MANAGED_SAVE | Undefine.SNAPSHOTS_METADATA | Undefine.NVRAM | Undefine.CHECKPOINTS_METADATA
)


def open_driver(uri: str = "qemu:///system", virt_type: str = "auto") -> Driver:
    """Connects when first used. `virt_type` is `kvm`, `qemu`, or `auto` (kvm if a trial boot works)."""
    return LibvirtDriver(Connection(uri), virt_type)


class LibvirtDriver:
    """Implements `hypervisor_drivers.driver.Driver`. Thread-safe: libvirt locks each domain itself."""

    def __init__(self, connection: Connection, virt_type: str = "auto") -> None:
        self._connection = connection
        self._virt_type = virt_type
        self._watching = Watching(connection)
        self._capabilities: Capabilities | None = None

    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            with self._connection.asking("reading the host's capabilities") as libvirt:
                host = host_xml(libvirt.getCapabilities())
                node = _node(libvirt)
            virt_type = working_virt_type(host) if self._virt_type == "auto" else self._virt_type
            self._capabilities = capabilities(host, node, virt_type)
        return self._capabilities

    def domains(self) -> Mapping[UUID, DomainSeen]:
        with self._connection.asking("listing domains") as libvirt:
            listed = libvirt.listAllDomains()
        found = (self._seen(domain) for domain in listed)
        return {seen.uuid: seen for seen in found if seen is not None}

    def _seen(self, domain: VirDomain) -> DomainSeen | None:
        """None also for a domain that is undefined between being listed and being read."""
        with tolerating(ErrorCode.NO_DOMAIN), self._connection.asking("reading a domain"):
            state, reason = domain.state()
            return domain_seen(domain.XMLDesc(), state, reason)
        return None

    def define(self, spec: DomainSpec) -> None:
        self._find(spec.uuid)  # refuses to replace a foreign domain
        self._check_name(spec)
        with self._connection.asking(f"defining domain {spec.name}") as libvirt:
            domain = libvirt.defineXMLFlags(domain_xml(spec), Define.VALIDATE)
        self._tell_running_one(domain, spec)

    def start(self, uuid: UUID) -> None:
        power.turn_on(self._connection, self._existing(uuid))

    def stop(self, uuid: UUID, *, grace_seconds: float) -> None:
        domain = self._find(uuid)
        if domain is not None:
            power.press_button(self._connection, domain, grace_seconds)
            power.pull_plug(self._connection, domain)

    def reboot(self, uuid: UUID) -> None:
        power.reset(self._connection, self._existing(uuid))

    def undefine(self, uuid: UUID) -> None:
        domain = self._find(uuid)
        if domain is None:
            return
        power.pull_plug(self._connection, domain)
        with tolerating(ErrorCode.NO_DOMAIN), self._connection.asking(f"undefining domain {uuid}"):
            domain.undefineFlags(_FORGET_ALL)

    def addresses(self, uuid: UUID) -> tuple[str, ...]:
        domain = self._find(uuid)
        if domain is None:
            return ()
        nics: Mapping[str, str] = {}
        with tolerating(ErrorCode.NO_DOMAIN), self._connection.asking(f"reading domain {uuid}"):
            nics = networks_by_mac(domain.XMLDesc())
        found = (networks.leases(self._connection, network, mac) for mac, network in nics.items())
        addresses = (networks.newest_address(leases) for leases in found)
        return tuple(address for address in addresses if address is not None)

    def ensure_network(self, spec: NetworkSpec) -> None:
        networks.ensure_network(self._connection, spec)

    def watch(self, changed: Callable[[], None]) -> None:
        self._watching.add(changed)

    def close(self) -> None:
        self._watching.close()
        self._connection.close()

    def _find(self, uuid: UUID) -> VirDomain | None:
        """A domain of ours; DriverRefused for one that kcloud did not define, which must not be touched."""
        try:
            with self._connection.asking(f"finding domain {uuid}") as libvirt:
                domain = libvirt.lookupByUUIDString(str(uuid))
                domain.metadata(Metadata.ELEMENT, NAMESPACE)
                return domain
        except LibvirtError as error:
            if error.code == ErrorCode.NO_DOMAIN:
                return None
            if error.code == ErrorCode.NO_DOMAIN_METADATA:
                raise DriverRefused(f"domain {uuid} exists here, but kcloud did not define it") from error
            raise

    def _existing(self, uuid: UUID) -> VirDomain:
        domain = self._find(uuid)
        if domain is None:
            raise DriverError(f"no domain with uuid {uuid}")
        return domain

    def _check_name(self, spec: DomainSpec) -> None:
        with (
            tolerating(ErrorCode.NO_DOMAIN),
            self._connection.asking(f"finding domain {spec.name}") as libvirt,
        ):
            other = libvirt.lookupByName(spec.name).UUIDString()
            if other != str(spec.uuid):
                raise DriverRefused(f"domain {spec.name!r} already exists with uuid {other}")

    def _tell_running_one(self, domain: VirDomain, spec: DomainSpec) -> None:
        """A running guest keeps its hardware until its next start, but what kcloud says of it is new."""
        gone = tolerating(ErrorCode.OPERATION_INVALID, ErrorCode.NO_DOMAIN)
        with gone, self._connection.asking(f"describing domain {spec.name}"):
            if domain.isActive():
                words = metadata_text(spec.metadata)
                domain.setMetadata(Metadata.ELEMENT, words, PREFIX, NAMESPACE, Affect.LIVE)
                domain.setMetadata(Metadata.TITLE, one_line(spec.title), None, None, Affect.LIVE)


def _node(libvirt: VirConnect) -> Node:
    _model, memory_mib, vcpus, *_rest = libvirt.getInfo()
    return Node(libvirt.getType(), libvirt.getVersion(), int(vcpus), int(memory_mib))
