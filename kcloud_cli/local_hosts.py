"""The compute hosts of `kcloud up`: one agent each, in this process, but over the same HTTP as any other.

Every host keeps its state under its own folder, so that the next start finds its guests again.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx

from hypervisor_drivers import fake
from hypervisor_drivers.driver import Driver, DriverError
from kcloud_cli.host_plans import HostPlan
from kcloud_common.config import load
from kcloud_common.errors import PermanentError
from kcloud_common.stopping import Stop
from kcloud_compute import identity
from kcloud_compute.agent import Agent
from kcloud_compute.conf import GROUPS, ComputeConf, from_groups
from kcloud_compute.paths import StatePaths
from vfio.sysfs import Sysfs

READY_SECONDS = 120.0


class HostFailed(PermanentError):
    code = "host_failed"


class LocalHosts:
    """The agents of this process; `close` leaves their guests running."""

    def __init__(self, url: str, settings: Sequence[str]) -> None:
        self._url = url
        self._settings = settings
        self._agents: dict[str, Agent] = {}
        self._drivers = ExitStack()

    def start(self, plans: Sequence[HostPlan], admin_password: str) -> None:
        """Enrol those that are new, and start every agent."""
        for host in plans:
            host.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._enrol(plans, admin_password)
        for host in plans:
            self._agents[host.name] = agent = self._agent(host)
            agent.start()

    def wait(self, stop: Stop) -> None:
        """Return when the control plane has accepted a report of each, or somebody asked to stop. Raises
        HostFailed."""
        deadline = time.monotonic() + READY_SECONDS
        for name, agent in self._agents.items():
            while not (agent.ready.wait(0.1) or stop.is_set()):
                if agent.ended.is_set():
                    raise HostFailed(f"host {name} ended: {agent.error}") from agent.error
                if time.monotonic() > deadline:
                    raise HostFailed(f"host {name} sent no report within {READY_SECONDS:.0f} s; see the log")

    def close(self) -> None:
        if self._agents:
            with ThreadPoolExecutor(max_workers=len(self._agents)) as pool:
                list(pool.map(Agent.stop, self._agents.values()))
        self._drivers.close()

    def _agent(self, host: HostPlan) -> Agent:
        conf = self._conf(host)
        if host.is_fake:
            driver = fake.open_driver(f"fake://{host.folder.absolute()}/domains")
            self._drivers.callback(driver.close)
            return Agent(conf, driver, _pretended(host))
        real = _open_libvirt(conf)
        self._drivers.callback(real.close)
        return Agent(conf, real, Sysfs())

    def _conf(self, host: HostPlan) -> ComputeConf:
        own = {
            "agent.api_url": self._url,
            "agent.host": host.name,
            "agent.state_dir": str(host.folder.absolute()),
            "agent.enrol_token": str(host.token_file.absolute()),
            "agent.hypervisor": "fake" if host.is_fake else "libvirt",
        }
        # A rule names this machine's devices, or simulated ones: fakes beside it offer what they have.
        beside = host.is_fake and not host.tree
        given = [item for item in self._settings if not (beside and item.startswith("devices."))]
        return from_groups(
            load(GROUPS, overrides=[*(f"{key}={value}" for key, value in own.items()), *given])
        )

    def _enrol(self, plans: Sequence[HostPlan], admin_password: str) -> None:
        """Get one-time tokens as an operator would, for the hosts that have not enrolled before."""
        new = [host for host in plans if not _has_enrolled(host)]
        if not new:
            return
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            client.headers["X-Auth-Token"] = _admin_token(client, admin_password)
            for host in new:
                body = _checked(client.post("/kcloud/v1/enrolments", json={"host": host.name}))
                host.token_file.touch(mode=0o600)
                host.token_file.write_text(str(body["token"]), "utf-8")


def _pretended(host: HostPlan) -> Sysfs:
    """Of a machine in the host's folder, made there at the first start."""
    # Imported here: a cloud of real hosts needs no simulator.
    if host.tree:
        from vfio.sim.trees import build

        return build(host.tree, host.folder / "machine").sysfs()
    from vfio.testing import gpu_host

    return gpu_host(host.folder / "machine").sysfs()


def _open_libvirt(conf: ComputeConf) -> Driver:
    # Imported here: it needs libvirt's library, which a cloud of fakes does not.
    from hypervisor_drivers.libvirt.driver import open_driver
    from kcloud_cli import local_libvirt

    if not conf.libvirt.uri:
        local_libvirt.ensure()
    try:
        return open_driver(conf.libvirt.uri or "qemu:///system", conf.libvirt.virt_type)
    except DriverError as error:
        raise HostFailed(f"the hypervisor cannot be used: {error}") from error


def _has_enrolled(host: HostPlan) -> bool:
    known = identity.load(StatePaths(host.folder.absolute()).identity)
    return known is not None and known.host_id is not None


def _admin_token(client: httpx.Client, password: str) -> str:
    domain = {"id": "default"}
    user = {"name": "admin", "domain": domain, "password": password}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": domain}},
    }
    answer = client.post("/identity/v3/auth/tokens", json={"auth": auth})
    _checked(answer)
    return answer.headers["X-Subject-Token"]


def _checked(answer: httpx.Response) -> Mapping[str, object]:
    if answer.is_error:
        raise HostFailed(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    body: Mapping[str, object] = answer.json()
    return body
