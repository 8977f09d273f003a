"""Resets of a function, and the harm that can be planned for them (drivers/pci/pci.c)."""

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from vfio.sim.attributes import AER_FILES, aer_text
from vfio.sim.config_space import all_ones, config_space
from vfio.sim.drivers import refused
from vfio.sim.files import write_raw
from vfio.sim.sriov import number
from vfio.sim.tree import FakeTree

METHODS = ("device_specific", "acpi", "flr", "af_flr", "pm", "bus", "cxl_bus")


@dataclass(frozen=True, slots=True)
class Harm:
    """What a function shows after its next reset."""

    dead: bool = False
    """Its config space answers all ones."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Counted more by AER: `correctable`, `nonfatal` or `fatal` to a number."""
    link: tuple[float, int] | None = None
    """Trained only to this speed and width."""
    gone: bool = False
    """It has left the bus."""
    method: str | None = None
    """Only when it was reset by this one."""
    times: int = 1


class Resets:
    def __init__(self, tree: FakeTree) -> None:
        self._tree = tree
        self.harms: dict[str, Harm] = {}
        self.done: list[tuple[str, str]] = []
        """Address and method of each reset."""
        self.hooks: list[Callable[[str], None]] = []

    def reset(self, address: str, text: str) -> None:
        """By the first method that is allowed. ENOTTY: there is none."""
        folder = self._tree.home(address)
        if not (folder / "reset").exists():
            raise refused(errno.ENOENT)
        if number(text, 1 << 64) != 1:
            raise refused(errno.EINVAL)
        allowed = (folder / "reset_method").read_text().split()
        if not allowed:
            raise refused(errno.ENOTTY)
        method = allowed[0]
        self.done.append((address, method))
        for hook in self.hooks:
            hook(address)
        function = self._tree.function(address)
        if method in function.bad_resets:
            self.die(address)
        elif (folder / "config").read_bytes()[:64] != all_ones()[:64]:
            write_raw(f"{folder}/config", config_space(function))
        harm = self.harms.get(address)
        if harm is not None and harm.method in (None, method):
            self._do(address, harm)

    def choose(self, address: str, text: str) -> None:
        """`default`, nothing at all, or names of methods that this function has."""
        folder = self._tree.home(address)
        if not (folder / "reset_method").exists():
            raise refused(errno.ENOENT)
        has, words = self._tree.function(address).reset_methods, text.split()
        if words == ["default"]:
            words = list(has)
        elif not set(words) <= set(has):
            raise refused(errno.EINVAL)
        write_raw(f"{folder}/reset_method", (" ".join(dict.fromkeys(words)) + "\n").encode())

    def die(self, address: str) -> None:
        """It answers nothing any more: its config space reads as ones."""
        folder = self._tree.home(address)
        write_raw(f"{folder}/config", all_ones())

    def count_errors(self, address: str, errors: Mapping[str, int]) -> None:
        """Add to the AER counters; each kind to a line that such errors usually come from."""
        for kind, more in errors.items():
            name = f"aer_dev_{kind}"
            path = self._tree.home(address) / name
            rows = (line.split() for line in path.read_text().splitlines())
            counts = {word: int(count) for word, count in rows if word in AER_FILES[name][0]}
            line = "BadTLP" if kind == "correctable" else "CmpltTO"
            counts[line] = counts.get(line, 0) + more
            write_raw(str(path), aer_text(name, counts).encode())

    def train(self, address: str, speed: float, width: int) -> None:
        folder = self._tree.home(address)
        write_raw(f"{folder}/current_link_speed", f"{speed} GT/s PCIe\n".encode())
        write_raw(f"{folder}/current_link_width", f"{width}\n".encode())

    def _do(self, address: str, harm: Harm) -> None:
        if harm.times <= 1:
            del self.harms[address]
        else:
            self.harms[address] = replace(harm, times=harm.times - 1)
        if harm.gone:
            self._tree.remove(address)
            return
        if harm.dead:
            self.die(address)
        self.count_errors(address, harm.errors)
        if harm.link is not None:
            self.train(address, *harm.link)
