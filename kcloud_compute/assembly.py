"""Puts an agent's parts together."""

import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import UUID

from hypervisor_drivers.driver import Driver
from hypervisor_drivers.spec import Capabilities, NetworkSpec
from kcloud_common.signing import public_key
from kcloud_common.wire import HostReport
from kcloud_compute import device_key, tools
from kcloud_compute.addresses import AddressBook
from kcloud_compute.api_client import ApiClient
from kcloud_compute.care import Care, now_utc
from kcloud_compute.cared_host import Host as CaredHost
from kcloud_compute.cared_host import Tools
from kcloud_compute.cleaning import Signatory
from kcloud_compute.conf import ComputeConf
from kcloud_compute.device_ledger import DeviceLedger
from kcloud_compute.disks import GIB
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.execute import Executor, Means
from kcloud_compute.images import ImageCache
from kcloud_compute.inventory import Looking
from kcloud_compute.kernel_log import KernelLog
from kcloud_compute.ledger import Ledger
from kcloud_compute.observe import Senses
from kcloud_compute.paths import StatePaths
from kcloud_compute.report import HostFacts
from kcloud_compute.reporter import Reporter
from kcloud_compute.scrub_command import parse
from kcloud_compute.sight import Sight, View
from kcloud_compute.translate import Host
from kcloud_compute.turn import Accepted, Parts, Settings, Turns
from kcloud_compute.workers import Workers
from vfio import accepted_link, catalogue_files
from vfio.journal import Journal
from vfio.offer import OfferRule
from vfio.sanitise.nvml_modes import NvmlModes
from vfio.slices.records import LayoutJournal
from vfio.slices.slicer import Slicer
from vfio.sysfs import Sysfs


@dataclass(frozen=True, slots=True)
class Hooks:
    """What tests put in another's place."""

    run: tools.Run = tools.run
    checkpoint: Checkpoint = no_checkpoint


@dataclass(frozen=True, slots=True)
class Given:
    """What an agent is made from."""

    conf: ComputeConf
    driver: Driver
    sysfs: Sysfs
    api: ApiClient
    paths: StatePaths
    rules: tuple[OfferRule, ...]
    hooks: Hooks
    host_id: UUID


@dataclass(frozen=True, slots=True)
class Events:
    """What the parts call, from threads of their own."""

    wake: Callable[[], None]
    accepted: Callable[[], None]
    replaced: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Assembly:
    turns: Turns
    workers: Workers
    reporter: Reporter


def assemble(given: Given, capabilities: Capabilities, epoch: int, events: Events) -> Assembly:
    """No thread is started yet. ValueError for a catalogue or a scrub command that makes no sense."""
    conf, paths, hooks = given.conf.agent, given.paths, given.hooks
    journal = Journal(paths.journal)
    ledger = DeviceLedger(paths.devices, hooks.checkpoint)
    slicer = Slicer(given.sysfs, journal, LayoutJournal(paths.layouts))
    catalogue = catalogue_files.load([Path(path) for path in given.conf.devices.catalogue])
    images = ImageCache(paths, given.api.image, hooks.run, hooks.checkpoint)
    log = KernelLog(given.sysfs.root)
    links = dict(accepted_link.parse(line) for line in given.conf.devices.accepted_link)
    looking = Looking(given.sysfs, slicer, given.rules, catalogue, given.conf.devices.upmem_ranks, links, log)
    senses = Senses(given.driver, given.sysfs, journal, ledger, images, paths)
    sight = Sight(senses, View(_network(given), looking))
    certified = sum(record.head.sequence for record in ledger.all().values())
    seed = device_key.load_or_make(paths.certificate_key, hooks.checkpoint, certified=certified)
    cared = CaredHost(
        given.sysfs, given.driver, slicer, journal, ledger, catalogue,
        slices=sight.slices,
        serials=lambda: sight.inventory.serials,
        accepted=links,
        cutting=lambda: [decision.card.name for decision in sight.inventory.to_cut],
    )  # fmt: skip
    signatory = Signatory(given.host_id, seed, now_utc)
    means = Means(
        paths=paths,
        driver=given.driver,
        care=Care(cared, signatory, _tools(given, log), hooks.checkpoint),
        images=images,
        uploads=given.api,
        run=hooks.run,
        checkpoint=hooks.checkpoint,
    )
    workers = Workers(conf.workers, Executor(means).do, events.wake)

    known: Accepted = deque()

    def accepted(report: HostReport) -> None:
        certified = [each for each in report.devices if each.certificate is not None]
        known.extend((each.name, each.certificate.sequence) for each in certified if each.certificate)
        events.accepted()
        if certified:
            events.wake()

    reporter = Reporter(given.api, conf.report_interval, accepted, events.replaced)
    parts = Parts(
        sight=sight,
        workers=workers,
        ledger=Ledger(conf.retry_window),
        devices=ledger,
        accepted=known,
        addresses=AddressBook(given.driver),
        reporter=reporter,
        images=images,
    )
    return Assembly(Turns(parts, _settings(given, capabilities, epoch, seed)), workers, reporter)


def _network(given: Given) -> NetworkSpec:
    net = given.conf.libvirt
    return NetworkSpec(net.network, net.bridge, net.cidr)


def _tools(given: Given, log: KernelLog) -> Tools:
    conf = given.conf.devices
    return Tools(
        scrubs=dict(parse(line, conf.scrub_deadline) for line in conf.scrub_command),
        read_backs=dict(parse(line, conf.scrub_deadline) for line in conf.read_back_command),
        kernel_log=log,
        modes=NvmlModes(),
    )


def _settings(given: Given, capabilities: Capabilities, epoch: int, seed: bytes) -> Settings:
    conf = given.conf.agent
    host = Host(
        virt_type=capabilities.virt_type,
        network=given.conf.libvirt.network,
        servers=PurePosixPath(given.paths.servers),
        resume=conf.resume_guests_state_on_host_boot,
        shutdown_grace=conf.shutdown_grace,
    )
    facts = HostFacts(
        capabilities=capabilities,
        disk_gib=shutil.disk_usage(given.paths.root).total // GIB,
        reserved_memory_mib=conf.reserved_memory_mib,
        epoch=epoch,
        certificate_key=public_key(seed),
    )
    return Settings(host, facts, conf.image_cache_gib)
