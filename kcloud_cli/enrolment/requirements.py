"""Which of the agent's Python requirements a machine lacks. Pure."""

import re
from collections.abc import Iterable, Mapping

DEBIAN_PACKAGES = {
    "cryptography": "python3-cryptography",
    "httpx": "python3-httpx",
    "libvirt-python": "python3-libvirt",
    "oslo.config": "python3-oslo.config",
    "pydantic": "python3-pydantic",
}
EXTRAS = frozenset({"agent", "libvirt"})
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)\s*(?:;.*extra == .([a-z]+).)?")


def agent_requirements(metadata: Iterable[str]) -> dict[str, str]:
    """`{distribution: least version}` out of a package's Requires-Dist lines."""
    wanted: dict[str, str] = {}
    for line in metadata:
        found = _REQUIREMENT.match(line)
        if found and (found.group(3) is None or found.group(3) in EXTRAS):
            wanted[found.group(1)] = found.group(2)
    return wanted


def unmet(wanted: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """Distributions that are absent (empty version) or too old, sorted."""
    return tuple(
        sorted(name for name, least in wanted.items() if _numbers(found.get(name, "")) < _numbers(least))
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
