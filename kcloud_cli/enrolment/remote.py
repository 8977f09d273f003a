"""A machine over SSH: commands with their input, as root."""

import base64
import hashlib
import ipaddress
import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko

from kcloud_common.errors import BadRequest, PermanentError, Unavailable

CONNECT_SECONDS = 60.0

# Its errors reach us as exceptions; with no handler set up they would be printed a second time.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class RemoteFailed(PermanentError):
    """A command on the machine failed; the message holds its words."""

    code = "remote_failed"


@dataclass(frozen=True, slots=True)
class Login:
    """`user@address:port` and how to get in. `host_key` is the expected fingerprint (`SHA256:...`)."""

    user: str
    address: str
    port: int
    key: Path | None = None
    host_key: str | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"


def parse_login(text: str, key: Path | None = None, host_key: str | None = None) -> Login:
    """`[USER@]ADDRESS[:PORT]`; root and port 22 unless said."""
    user, at, place = text.rpartition("@")
    address, colon, port = place.rpartition(":")
    if not colon:
        address, port = place, "22"
    if not address or not port.isdigit() or (at and not user):
        raise BadRequest(f"--ssh {text!r}: want USER@ADDRESS:PORT", field="ssh")
    return Login(user or "root", address.strip("[]"), int(port), key, host_key)


class Remote:
    """An open connection. Commands run as root, through sudo when the user is somebody else."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._client = paramiko.SSHClient()
        self._client.load_system_host_keys()
        self._client.set_missing_host_key_policy(_KnownOrSaid(login))

    def __enter__(self) -> Self:
        login = self._login
        try:
            self._client.connect(
                login.address,
                login.port,
                login.user,
                key_filename=str(login.key) if login.key else None,
                timeout=CONNECT_SECONDS,
                banner_timeout=CONNECT_SECONDS,
                auth_timeout=CONNECT_SECONDS,
                allow_agent=login.key is None,
                look_for_keys=login.key is None,
            )
        except paramiko.AuthenticationException as error:
            raise PermanentError(f"{login} does not accept the key: give another with --key") from error
        except paramiko.BadHostKeyException as error:
            raise PermanentError(
                f"{login.address} shows another host key than known_hosts has: {error}"
            ) from error
        except (paramiko.SSHException, OSError) as error:
            raise Unavailable(f"no SSH connection to {login}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def run(self, words: Sequence[str], *, data: bytes = b"", timeout: float = 300) -> str:
        """Standard output; RemoteFailed when the command fails. `data` is its standard input."""
        status, out, err = self.attempt(words, data=data, timeout=timeout)
        if status:
            tail = "\n".join((err or out).strip().splitlines()[-8:])
            raise RemoteFailed(f"`{shlex.join(words)}` on {self._login} failed ({status}): {tail}")
        return out

    def attempt(
        self, words: Sequence[str], *, data: bytes = b"", timeout: float = 300
    ) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        if self._client.get_transport() is None:
            raise Unavailable(f"no connection to {self._login} for `{shlex.join(words)}`")
        command = words if self._login.user == "root" else ["sudo", "-n", *words]
        try:
            stdin, stdout, stderr = self._client.exec_command(shlex.join(command), timeout=timeout)
            stdin.write(data)
            stdin.channel.shutdown_write()
            out, err = stdout.read(), stderr.read()
            status = stdout.channel.recv_exit_status()
        except (paramiko.SSHException, OSError) as error:
            raise Unavailable(f"lost {self._login} during `{shlex.join(words)}`: {error}") from error
        return status, out.decode(errors="replace"), err.decode(errors="replace")

    def write(self, path: str, content: bytes, mode: str = "0644") -> None:
        """Replace a file as a whole. The content travels on standard input, never on a command line."""
        script = (
            'umask 077; mkdir -p "$(dirname "$1")"; cat > "$1.new"; chmod "$2" "$1.new"; mv "$1.new" "$1"'
        )
        self.run(["sh", "-euc", script, "write", path, mode], data=content)


class _KnownOrSaid(paramiko.MissingHostKeyPolicy):
    """A machine that known_hosts lacks is accepted when its fingerprint was given, or on loopback."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        shown = f"SHA256:{digest}"
        if self._login.host_key == shown or (self._login.host_key is None and self._is_loopback()):
            return
        raise paramiko.SSHException(
            f"its host key {shown} is not in known_hosts: compare it with the machine's own"
            f" (ssh-keygen -lf /etc/ssh/ssh_host_*.pub), then pass --host-key {shown}"
        )

    def _is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self._login.address).is_loopback
        except ValueError:
            return self._login.address == "localhost"
