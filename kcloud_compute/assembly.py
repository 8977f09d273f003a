"""Puts an agent's parts together."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from hypervisor_drivers.driver import Driver
from hypervisor_drivers.spec import Capabilities, NetworkSpec
from kcloud_compute import tools
from kcloud_compute.addresses import AddressBook
from kcloud_compute.api_client import ApiClient
from kcloud_compute.conf import ComputeConf
from kcloud_compute.disks import GIB
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.execute import Executor, Means
from kcloud_compute.images import ImageCache
from kcloud_compute.ledger import Ledger
from kcloud_compute.observe import Senses
from kcloud_compute.paths import StatePaths
from kcloud_compute.report import HostFacts
from kcloud_compute.reporter import Reporter
from kcloud_compute.sight import Sight, View
from kcloud_compute.translate import Host
from kcloud_compute.turn import Parts, Settings, Turns
from kcloud_compute.workers import Workers
from vfio.binding import Binder
from vfio.journal import Journal
from vfio.offer import OfferRule
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
    """No thread is started yet."""
    conf, paths, hooks = given.conf.agent, given.paths, given.hooks
    journal = Journal(paths.journal)
    images = ImageCache(paths, given.api.image, hooks.run, hooks.checkpoint)
    means = Means(
        paths=paths,
        driver=given.driver,
        binder=Binder(given.sysfs, journal),
        images=images,
        uploads=given.api,
        run=hooks.run,
        checkpoint=hooks.checkpoint,
    )
    workers = Workers(conf.workers, Executor(means).do, events.wake)
    reporter = Reporter(given.api, conf.report_interval, events.accepted, events.replaced)
    sight = Sight(Senses(given.driver, given.sysfs, journal, images, paths), _view(given))
    parts = Parts(
        sight=sight,
        workers=workers,
        ledger=Ledger(conf.retry_window),
        addresses=AddressBook(given.driver),
        reporter=reporter,
        images=images,
    )
    return Assembly(Turns(parts, _settings(given, capabilities, epoch)), workers, reporter)


def _view(given: Given) -> View:
    net = given.conf.libvirt
    return View(NetworkSpec(net.network, net.bridge, net.cidr), given.rules)


def _settings(given: Given, capabilities: Capabilities, epoch: int) -> Settings:
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
    )
    return Settings(host, facts, conf.image_cache_gib)
