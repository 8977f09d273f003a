"""Finds by what the doctor judges a host: rules, catalogue, layouts; from options or the agent's own file."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vfio.catalogue import Catalogue
from vfio.catalogue_files import load
from vfio.doctor.finding import Finding, Severity
from vfio.doctor.gather import LAYOUTS
from vfio.offer import OfferRule, parse_rule

AGENT_FILE = "etc/kcloud/compute.conf"
"""The agent's configuration as its unit names it, relative to the root: read unless another one is named."""


@dataclass(frozen=True, slots=True)
class Told:
    """By what the host is judged. `findings`: what is wrong with that itself."""

    rules: tuple[OfferRule, ...] = ()
    catalogue: Catalogue | None = None
    """None: the one that ships with kcloud."""
    layouts: str = LAYOUTS
    """Where the agent keeps its layouts, relative to the root."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Words:
    """The same as texts."""

    offer: Sequence[str] = ()
    catalogue: Sequence[Path] = field(default_factory=tuple)
    layouts: str = LAYOUTS


def told(options: argparse.Namespace) -> Told:
    """ValueError says what of the request makes no sense. A configuration that nobody has named and that
    makes none is a finding: the agent does not start with it."""
    if options.config_file:
        return _judged(options, _configured(options.config_file))
    path = options.root / AGENT_FILE
    try:
        if not path.is_file():
            return _judged(options, _Words())
        return _judged(options, _below(options.root, _configured([str(path)])))
    except (ValueError, OSError, ImportError) as error:
        kept = _judged(options, _Words())
        return Told(kept.rules, kept.catalogue, kept.layouts, (_unusable(path, error),))


def _judged(options: argparse.Namespace, words: _Words) -> Told:
    """Options go before what is configured."""
    offer = words.offer if options.offer is None else options.offer
    files = words.catalogue if options.catalogue is None else options.catalogue
    return Told(tuple(parse_rule(text) for text in offer), load(files) if files else None, words.layouts)


def _configured(files: Sequence[str]) -> _Words:
    # Only now: doctor without a configuration must run where nothing else is installed.
    from kcloud_common import config
    from kcloud_common.errors import PermanentError
    from kcloud_compute.conf import AgentConf, DevicesConf

    try:
        conf = config.load({"agent": AgentConf, "devices": DevicesConf}, files=files)
    except PermanentError as error:
        raise ValueError(str(error)) from error
    agent, devices = conf.agent, conf.devices
    assert isinstance(agent, AgentConf)  # noqa: S101 - load fills each group with its own class
    assert isinstance(devices, DevicesConf)  # noqa: S101
    layouts = f"{agent.state_dir.strip('/')}/{LAYOUTS.rpartition('/')[2]}"
    return _Words(devices.offer, tuple(map(Path, devices.catalogue)), layouts)


def _below(root: Path, words: _Words) -> _Words:
    """Of a host whose files are kept in a folder, so are those that its configuration names."""
    files = tuple(root / str(path).lstrip("/") for path in words.catalogue)
    return _Words(words.offer, files, words.layouts)


def _unusable(path: Path, error: Exception) -> Finding:
    if isinstance(error, PermissionError):
        return Finding(
            Severity.WARNING,
            "the agent's configuration may not be read",
            "the host is judged by defaults: its own rules and catalogue may say otherwise",
            f"{path}: {error.strerror}",
            "run as root",
            code="configuration_unusable",
            check="host",
        )
    missing = isinstance(error, ImportError)
    return Finding(
        Severity.WARNING if missing else Severity.ERROR,
        "the agent is not installed in this Python"
        if missing
        else "the agent's configuration makes no sense",
        "the host is judged by defaults" + ("" if missing else ", and the agent does not start with it"),
        f"{path} is there, and: {error}",
        "run the kcloud that the agent runs from (/opt/kcloud/bin/kcloud doctor)"
        if missing
        else f"mend what it names in {path} or in the file that it leads to, then: "
        "systemctl restart kcloud-compute",
        code="configuration_unusable",
        check="host",
    )
