"""Reads configuration once, at a composition root, into frozen dataclasses: one dataclass per group.

    @dataclass(frozen=True, slots=True)
    class ImageConf:
        store_dir: str = option("/var/lib/kcloud/images", help="Where image data is kept.")

    conf = load({"image": ImageConf}, files=["kcloud.conf"], overrides=["image.store_dir=/x"])
    conf.image.store_dir

Files are oslo.config's (INI). An option that the group does not know is refused: a typo must not pass for a
default. A group that this process does not know is left alone, so that one file may serve several processes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from types import SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from oslo_config import cfg

from kcloud_common.errors import PermanentError

META = "kcloud.option"


class BadConfig(PermanentError):
    """The configuration is wrong; the message names file, group and option."""

    code = "bad_config"


class Conf(SimpleNamespace):
    """One attribute per group. A namespace and not a mapping, so that `conf.image.store_dir` reads well."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what a group is, only its reader knows
        raise AttributeError(f"no configuration group {name!r} was loaded here")


def option(  # noqa: PLR0913 - stands for the field's own type, as dataclasses.field does
    default: Any = MISSING,  # noqa: ANN401
    *,
    help: str,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    multi: bool = False,
    secret: bool = False,
) -> Any:  # noqa: ANN401
    """A field of a group. Its annotation says the type: str, int, float, bool, `X | None`, tuple[str, ...].
    A tuple is written `a,b`, or with `multi` as one line per value. A `secret` is left out of its repr."""
    limits = {"help": help, "choices": choices, "minimum": minimum, "maximum": maximum}
    metadata = {META: {**limits, "multi": multi, "secret": secret}}
    return field(default=default, metadata=metadata, repr=not secret)


def load(groups: Mapping[str, type], *, files: Sequence[str] = (), overrides: Iterable[str] = ()) -> Conf:
    """Defaults, then files in order, then `group.option=value` overrides. Raises BadConfig."""
    conf = _registered(groups)
    try:
        conf(args=[], project="kcloud", default_config_files=list(files), default_config_dirs=[])
    except cfg.Error as error:
        raise BadConfig(str(error)) from error
    except (UnicodeDecodeError, OSError) as error:
        # A folder, or what is no text: neither oslo.config nor always the error says which file it is.
        raise BadConfig(f"{', '.join(files)} cannot be read as a configuration: {error}") from error
    for path in files:
        _refuse_unknown(path, groups)
    _override(conf, groups, overrides)
    return Conf(**{name: _filled(conf, name, group) for name, group in groups.items()})


def sample(groups: Mapping[str, type]) -> str:
    """A configuration file with every option at its default, commented out."""
    lines: list[str] = []
    for name in sorted(groups):
        lines += [f"[{name}]", ""]
        for item in fields(groups[name]):
            lines += _sample_option(item, _hints(groups[name])[item.name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _registered(groups: Mapping[str, type]) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    for name, group in groups.items():
        hints = _hints(group)
        conf.register_opts([_opt(item, hints[item.name]) for item in fields(group)], group=name)
    return conf


def _hints(group: type) -> dict[str, Any]:
    return get_type_hints(group)


def _plain(hint: Any) -> Any:  # noqa: ANN401
    """`X` of `X | None`, and `tuple` of `tuple[str, ...]`."""
    if get_origin(hint) in (Union, UnionType):
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    return get_origin(hint) or hint


def _opt(item: "Field[Any]", hint: Any) -> cfg.Opt:  # noqa: ANN401
    meta = item.metadata.get(META, {})
    common = {
        "help": meta.get("help"),
        "secret": meta.get("secret", False),
        "default": _default(item),
    }
    kind = _plain(hint)
    if kind is bool:
        return cfg.BoolOpt(item.name, **common)
    if kind is int:
        return cfg.IntOpt(item.name, min=meta.get("minimum"), max=meta.get("maximum"), **common)
    if kind is float:
        return cfg.FloatOpt(item.name, min=meta.get("minimum"), max=meta.get("maximum"), **common)
    if kind is tuple:
        return (cfg.MultiStrOpt if meta.get("multi") else cfg.ListOpt)(item.name, **common)
    if kind is str:
        return cfg.StrOpt(item.name, choices=meta.get("choices"), **common)
    raise TypeError(f"option {item.name}: {hint} is no type that a configuration file can hold")


def _default(item: "Field[Any]") -> object:
    if item.default is MISSING:
        return None
    return list(item.default) if isinstance(item.default, tuple) else item.default


def _refuse_unknown(path: str, groups: Mapping[str, type]) -> None:
    sections: dict[str, dict[str, object]] = {}
    cfg.ConfigParser(path, sections).parse()
    for name in sections.keys() & groups.keys():
        known = {item.name for item in fields(groups[name])}
        for key in sorted(sections[name].keys() - known):
            raise BadConfig(f"{path}: [{name}] has no option {key!r}; it knows {', '.join(sorted(known))}")


def _override(conf: cfg.ConfigOpts, groups: Mapping[str, type], overrides: Iterable[str]) -> None:
    gathered: dict[tuple[str, str], list[str]] = {}
    for text in overrides:
        path, equals, value = text.partition("=")
        name, dot, key = path.strip().partition(".")
        if not (equals and dot):
            raise BadConfig(f"{text!r} is not group.option=value")
        if name not in groups:
            raise BadConfig(f"{text!r}: no group {name!r}; this process knows {', '.join(sorted(groups))}")
        if key not in {item.name for item in fields(groups[name])}:
            raise BadConfig(f"{text!r}: group {name!r} has no option {key!r}")
        gathered.setdefault((name, key), []).append(value)
    for (name, key), values in gathered.items():
        hint = _hints(groups[name])[key]
        opt = _opt(next(item for item in fields(groups[name]) if item.name == key), hint)
        try:
            # A repeated override of a multi-valued option adds up, as lines in a file do; else the last wins.
            parsed: object = values if isinstance(opt, cfg.MultiOpt) else opt.type(values[-1])
            conf.set_override(key, parsed, group=name)
        except ValueError as error:
            raise BadConfig(f"{name}.{key}={values[-1]}: {error}") from error


def _filled(conf: cfg.ConfigOpts, name: str, group: type) -> object:
    values: dict[str, object] = {}
    for item in fields(group):
        try:
            value = conf[name][item.name]
        except cfg.Error as error:
            raise BadConfig(f"[{name}] {item.name}: {error}") from error
        # Checked here and not by oslo.config, which would not count an override.
        if value is None and item.default is MISSING:
            raise BadConfig(f"[{name}] {item.name} must be given: it has no default")
        values[item.name] = tuple(value) if isinstance(value, list) else value
    return group(**values)


def _sample_option(item: "Field[Any]", hint: Any) -> list[str]:  # noqa: ANN401
    meta = item.metadata.get(META, {})
    kind = _plain(hint)
    facts = [str(getattr(kind, "__name__", kind)) if kind is not tuple else "list"]
    facts += [f"minimum {meta['minimum']}"] if meta.get("minimum") is not None else []
    facts += [f"maximum {meta['maximum']}"] if meta.get("maximum") is not None else []
    facts += [f"one of: {', '.join(meta['choices'])}"] if meta.get("choices") else []
    facts += ["may be repeated"] if meta.get("multi") else []
    help_lines = [f"# {line}".rstrip() for line in str(meta.get("help", "")).splitlines()]
    return [*help_lines, f"# ({'; '.join(facts)})", f"#{item.name} = {_shown(item)}".rstrip(), ""]


def _shown(item: "Field[Any]") -> str:
    default = _default(item)
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, list) else str(default)
