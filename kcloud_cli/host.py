"""`kcloud host ...`: the compute hosts of a cloud, and making a machine one of them."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from kcloud_cli.enrolment.enrol import Wish, enrol
from kcloud_cli.enrolment.remote import Login, Remote, parse_login
from kcloud_cli.lab.host import running_or_refuse
from kcloud_cli.lab.machine import API_FROM_HOST
from kcloud_cli.operator_api import HostView, OperatorApi, open_cloud
from kcloud_cli.tables import columns
from kcloud_common.errors import BadRequest, Conflict, KcloudError


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    host = subparsers.add_parser("host", help="list, show, enrol and delete compute hosts")
    verbs = host.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, what: str, action: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        parser = verbs.add_parser(name, help=what, description=what)
        parser.add_argument(
            "--os-cloud", metavar="CLOUD", help="name in clouds.yaml; else $OS_CLOUD, kcloud-admin"
        )
        parser.set_defaults(run=lambda options: _reported(action, options))
        return parser

    verb("list", "the hosts and their state", _list)
    verb("show", "one host with its devices", _show).add_argument("name", metavar="NAME")
    enroll = verb("enroll", "make a machine a host, over SSH; safe to repeat", _enroll)
    enroll.add_argument("name", metavar="NAME", help="name of the host in the cloud")
    enroll.add_argument("--ssh", metavar="USER@ADDRESS:PORT", help="the machine; root and 22 unless said")
    enroll.add_argument("--key", type=Path, metavar="FILE", help="private key; else the agent's and ~/.ssh")
    enroll.add_argument(
        "--host-key", metavar="SHA256:...", help="the machine's host key, when not in known_hosts"
    )
    enroll.add_argument("--lab", action="store_true", help="the running lab host (kcloud lab up)")
    enroll.add_argument("--api-url", metavar="URL", help="the API as the machine reaches it; without a path")
    enroll.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="GROUP.OPTION=VALUE",
        help="in the agent's configuration; may be repeated, devices.offer=RULE above all",
    )
    enroll.add_argument("--despite-doctor", action="store_true", help="go on when the doctor finds errors")
    removing = verb("delete", "forget a host without servers; its agent is refused from then on", _delete)
    removing.add_argument("name", metavar="HOST", help="its name or id")


def _reported(action: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    try:
        action(options)
    except KcloudError as error:
        print(f"kcloud host: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, BadRequest) else 1
    return 0


def _list(options: argparse.Namespace) -> None:
    rows = [("NAME", "STATE", "READY", "VCPUS", "MEMORY MIB", "LAST SEEN")]
    with open_cloud(options.os_cloud) as api:
        hosts = api.hosts()
    for host in hosts:
        size = str(host.report.get("vcpus", "")), str(host.report.get("memory_mib", ""))
        rows.append((host.name, host.state, "yes" if host.ready else "no", *size, host.last_seen))
    print(columns(rows))


def _show(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        print(described(api.host(options.name)))


def described(host: HostView) -> str:
    """For a person: what the host is, whether it takes servers, and its devices."""
    report = host.report
    hypervisor = f"{report.get('hypervisor_type', '?')} {report.get('hypervisor_version', '')}".rstrip()
    lines = [
        f"{host.name} ({host.id})",
        f"  state       {host.state}{'' if host.enabled else ', disabled'}, last seen {host.last_seen}",
        f"  takes more  {'yes' if host.ready else 'no'}",
        *(f"  problem     {problem}" for problem in host.problems),
        f"  hypervisor  {hypervisor}",
        f"  size        {report.get('vcpus', 0)} vCPUs, {report.get('memory_mib', 0)} MiB",
    ]
    for each in report.get("resources", ()):
        said = ", says its operator" if each["declared"] else ""
        lines.append(f"  counted     {each['resource_class']}  {each['total']}{said}; no server can have any")
    for device in host.devices:
        ids = f"{device['vendor_id']}:{device['product_id']}"
        lines.append(f"  device      {device['name']}  {ids}  {device['resource_class']}  {device['state']}")
    return "\n".join(lines)


def _enroll(options: argparse.Namespace) -> None:
    login = _login(options)
    started = time.monotonic()
    with open_cloud(options.os_cloud) as api:
        wish = Wish(
            options.name, _api_url(options, api), tuple(options.set), despite_doctor=options.despite_doctor
        )
        with Remote(login) as remote:
            host = enrol(remote, api, wish)
    print(f"enrolled in {time.monotonic() - started:.1f} s:\n{described(host)}")


def _delete(options: argparse.Namespace) -> None:
    with open_cloud(options.os_cloud) as api:
        host = api.host(options.name)
        try:
            api.ask("DELETE", f"/hosts/{host.id}")
        except Conflict as error:
            raise Conflict(
                f"{error.message} `openstack server list --all-projects --host {host.name}` lists them. One"
                " that was deleted counts until the host's agent has said that it is gone."
            ) from error
    print(f"deleted {host.name}; its agent is refused until the machine is enrolled anew")


def _login(options: argparse.Namespace) -> Login:
    if options.lab == bool(options.ssh):
        raise BadRequest("say which machine: --ssh USER@ADDRESS:PORT, or --lab", field="ssh")
    if not options.lab:
        return parse_login(options.ssh, options.key, options.host_key)
    lab = running_or_refuse()
    return Login("root", "127.0.0.1", lab.ssh_port, lab.key)


def _api_url(options: argparse.Namespace, api: OperatorApi) -> str:
    """As given; else the cloud's own address, unless only this machine can reach that."""
    if options.api_url:
        return str(options.api_url).rstrip("/")
    own = urlsplit(api.url)
    if own.hostname not in {"127.0.0.1", "::1", "localhost"}:
        return f"{own.scheme}://{own.netloc}"
    if options.lab:
        return f"{own.scheme}://{API_FROM_HOST}:{own.port}"
    raise BadRequest(
        f"the API listens on {own.hostname} alone: say how the machine reaches it with --api-url",
        field="api_url",
    )
