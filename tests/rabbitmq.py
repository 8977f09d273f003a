"""A RabbitMQ broker of the test's own: temporary folders, loopback ports, its own epmd; gone when the test
ends.

The packaged `rabbitmq-server` in PATH changes to the account `rabbitmq` and to its folders. The script
behind it takes everything from the environment, and with RABBITMQ_ALLOW_INPUT it becomes the broker itself:
the pid that was started is the pid that can be killed.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kombu.connection import Connection

from tests.e2e.processes import Deadline, eventually

LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0
"""Four seconds on a quiet machine."""


def server_script() -> Path | None:
    """The broker's own start script; None when it is not installed."""
    packaged = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = shutil.which("rabbitmq-server")
    return packaged if packaged.exists() else Path(found) if found else None


@dataclass
class RabbitMQ:
    """One broker on one port for its whole life; it can be killed and started again."""

    home: Path
    script: Path
    port: int
    distribution_port: int
    environment: dict[str, str] = field(repr=False)
    _child: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}//"

    def start(self) -> None:
        """Return once it takes connections."""
        assert self._child is None, "it runs"
        with (self.home / "output").open("ab") as output:
            self._child = subprocess.Popen(
                [str(self.script)],
                env=self.environment, cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        eventually(self._answers, "RabbitMQ takes connections", seconds=START_SECONDS, every=0.2)

    def kill(self) -> None:
        """kill -9: no connection is closed in order, nothing is saved."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(30)
            self._child = None

    def _answers(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            said = (self.home / "output").read_text(errors="replace")
            raise Deadline(f"RabbitMQ ended with {self._child.returncode}:\n{said[-4000:]}")
        # It listens before its users are there, so that only a login shows that it is ready.
        with contextlib.suppress(Exception), Connection(self.url, connect_timeout=5) as connection:
            connection.connect()
            return True
        return False


@contextmanager
def rabbitmq_server() -> Iterator[RabbitMQ]:
    """Run a broker. Raises RuntimeError where none is installed."""
    script, epmd = server_script(), shutil.which("epmd")
    if script is None or epmd is None:
        raise RuntimeError("no RabbitMQ server is installed (apt install rabbitmq-server)")
    home = Path(tempfile.mkdtemp(prefix="kcloud-rabbitmq-"))
    port, distribution_port, epmd_port = _free_ports(3)
    environment = _environment(home, port, distribution_port, epmd_port)
    broker = RabbitMQ(home, script, port, distribution_port, environment)
    # In the foreground and before the broker, which would else leave a daemon behind.
    mapper = subprocess.Popen(
        [epmd, "-address", LOOPBACK, "-port", str(epmd_port)], env=environment, cwd=home,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: _listens(epmd_port), "epmd listens")
        broker.start()
        yield broker
    finally:
        broker.kill()
        mapper.kill()
        mapper.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path, port: int, distribution_port: int, epmd_port: int) -> dict[str, str]:
    """Everything that the scripts would else take from /etc and /var, and nothing of a caller's own."""
    (home / "plugins").write_text("[].\n")
    # Else a resolver of its own outlives a killed broker for a moment.
    (home / "inetrc").write_text('{lookup, [file]}.\n{host, {127,0,0,1}, ["localhost"]}.\n')
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {LOOPBACK}:{port}\n"
        # No second file, and what is seen when it does not start.
        "log.file = false\nlog.console = true\nlog.console.level = warning\n"
    )
    own = ("RABBITMQ_", "ERL_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(own)},
        "HOME": str(home),  # of the cookie, without which no other node may talk to this one
        "RABBITMQ_ALLOW_INPUT": "true",
        "RABBITMQ_CONF_ENV_FILE": str(home / "no-such-file"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "no-such-file"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_NODENAME": "kcloud-test@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput +S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_INETRC": str(home / "inetrc"),
    }


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def _free_ports(count: int) -> list[int]:
    """Different ones: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]
