"""The pure parts of an enrolment: addresses, configuration, requirements, the agent's archive."""

import configparser
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from kcloud_cli.enrolment.bundle import archive, bundle
from kcloud_cli.enrolment.compute_conf import compute_conf
from kcloud_cli.enrolment.remote import parse_login
from kcloud_cli.enrolment.requirements import DEBIAN_PACKAGES, EXTRAS, agent_requirements, unmet
from kcloud_common.errors import BadRequest
from vfio.testing import FakeHost


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("root@10.0.0.5:2222", ("root", "10.0.0.5", 2222)),
        ("admin@node7", ("admin", "node7", 22)),
        ("node7", ("root", "node7", 22)),
        ("root@[fd00::7]:22", ("root", "fd00::7", 22)),
    ],
)
def test_a_machine_is_named_as_ssh_users_name_it(text: str, parts: tuple[str, str, int]) -> None:
    login = parse_login(text)
    assert (login.user, login.address, login.port) == parts


@pytest.mark.parametrize("text", ["", "root@", "@node7", "node7:ssh"])
def test_a_machine_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_login(text)


def test_rules_given_twice_are_written_twice() -> None:
    text = compute_conf(
        "n1", "http://c:8774", ["devices.offer=10de:20b5", "devices.offer=class:1200=CUSTOM_NPU"]
    )
    assert text.count("offer = ") == 2
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.read_string(text)
    assert read["agent"]["api_url"] == "http://c:8774"
    assert read["agent"]["host"] == "n1"
    assert read["devices"]["offer"] == "class:1200=CUSTOM_NPU"


@pytest.mark.parametrize("setting", ["offer=x", "devices.offer", "devices.offer=a\nb", "de vices.offer=x"])
def test_a_setting_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(BadRequest):
        compute_conf("n1", "http://c", [setting])


def test_whatever_an_agent_needs_can_be_installed_on_debian() -> None:
    read = configparser.ConfigParser(interpolation=None)
    read.read(Path(__file__).parents[2] / "setup.cfg")
    lines = read["options"]["install_requires"].split()
    for extra in EXTRAS:
        lines += read["options.extras_require"][extra].split()
    assert agent_requirements(lines).keys() <= DEBIAN_PACKAGES.keys()


def test_only_what_an_agent_needs_is_required() -> None:
    lines = [
        "oslo.config>=9.6",
        'fastapi>=0.115; extra == "api"',
        'httpx>=0.27; extra == "agent"',
        'libvirt-python>=9.0; extra == "libvirt"',
        'httpx>=0.27; extra == "cli"',
    ]
    assert agent_requirements(lines) == {"oslo.config": "9.6", "httpx": "0.27", "libvirt-python": "9.0"}


def test_what_is_absent_or_too_old_is_unmet() -> None:
    wanted = {"pydantic": "2.7", "httpx": "0.27", "oslo.config": "9.6"}
    assert unmet(wanted, {"pydantic": "1.10.4", "httpx": "0.28.1"}) == ("oslo.config", "pydantic")
    assert unmet(wanted, {"pydantic": "2.10.6", "httpx": "0.27.0", "oslo.config": "9.7.1"}) == ()


def test_the_archive_depends_on_names_and_content_alone() -> None:
    assert archive({"b": b"2", "a": b"1"}) == archive({"a": b"1", "b": b"2"})


def test_the_bundle_holds_the_agent_and_no_control_plane() -> None:
    packed = bundle()
    with tarfile.open(fileobj=io.BytesIO(packed.data)) as tar:
        names = tar.getnames()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"kcloud_common", "kcloud_compute", "hypervisor_drivers", "vfio", "kcloud_cli", "kcloud"}
    assert "kcloud_compute/main.py" in names
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert not any("__pycache__" in name for name in names)
    assert bundle().digest == packed.digest


def test_the_doctor_in_the_bundle_runs_with_the_bundle_alone(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle().data)) as tar:
        tar.extractall(tmp_path / "release", filter="data")
    host = FakeHost(tmp_path / "host").sysfs().root
    (host / "sys").mkdir(exist_ok=True)
    words = ["doctor", "--json", "--root", str(host)]
    start = f"import sys; sys.path.insert(0, {str(tmp_path / 'release')!r})\n"
    start += f"from kcloud_cli.main import main\nraise SystemExit(main({words!r}))"
    # -S: not the packages that are installed here.
    done = subprocess.run([sys.executable, "-S", "-c", start], capture_output=True, text=True, check=False)
    assert (done.returncode in (0, 1), done.stderr) == (True, "")
    assert '"findings"' in done.stdout
