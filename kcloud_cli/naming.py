"""Finds what a person has named: a device, a card or a layout by its id or its name."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kcloud_cli.operator_api import OperatorApi
from kcloud_common.errors import BadRequest, NotFound

View = Mapping[str, Any]

NAME_HELP = "its id, HOST/NAME, or its name where only one host has it"


def is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def device(api: OperatorApi, text: str) -> View:
    return api.device(text) if is_id(text) else _on_a_host(api, "devices", text)


def card(api: OperatorApi, text: str) -> View:
    if is_id(text):
        for found in api.each("cards"):
            if found["id"] == text.lower():
                return found
        raise NotFound(f"no card {text}; `kcloud card list` lists them")
    return _on_a_host(api, "cards", text)


def layout(api: OperatorApi, text: str) -> View:
    """NotFound names the layouts that there are."""
    if is_id(text):
        found: View = api.ask("GET", f"/layouts/{text}")["layout"]
        return found
    known = []
    for each in api.each("layouts"):
        if each["name"] == text:
            return each
        known.append(each["name"])
    raise NotFound(f"no layout {text!r}; there are: {', '.join(known[:20]) or 'none'}")


def _on_a_host(api: OperatorApi, sort: str, text: str) -> View:
    """Hosts have names of devices in common: where several have this one, the host must be named."""
    host, slash, name = text.rpartition("/")
    found = [each for each in api.each(sort, host=host if slash else None) if each["name"] == name]
    if len(found) == 1:
        return found[0]
    one = sort.removesuffix("s")
    if not found:
        if slash:
            api.host(host)  # which says so when there is none
        where = f"host {host} has no {one}" if slash else f"no host has a {one}"
        raise NotFound(f"{where} {name!r}; `kcloud {one} list` lists them")
    hosts = sorted(each["host"] for each in found)
    shown = ", ".join(f"{each}/{name}" for each in hosts[:8]) + (" ..." if len(hosts) > 8 else "")
    raise BadRequest(f"{len(hosts)} hosts have a {one} {name!r}: say which, one of {shown}")
