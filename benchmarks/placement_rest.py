"""Loads a shape through the Placement API itself: how upstream gets the same hosts as we."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks import placement_shapes
from benchmarks.placement_service import Target

CLIENTS = 3
"""A service of two workers is kept busy by them."""


def load_over_rest(target: Target, shape: str, hosts: int) -> None:
    """Minutes for a thousand nested ones. Hosts are created out of order, each by itself in order."""
    custom = (
        placement_shapes.ACCELERATOR, *placement_shapes.MODELS, placement_shapes.FAST_LINK,
        placement_shapes.SPECIAL,
    )  # fmt: skip
    for name in custom:
        target.check("PUT", f"/traits/{name}")
    remaining, one_at_a_time = placement_shapes.rows(shape, hosts), threading.Lock()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [
            clients.submit(_load, target.another(), remaining, one_at_a_time) for _ in range(CLIENTS)
        ]:
            done.result()


def _load(target: Target, remaining: Iterator[placement_shapes.Rows], one_at_a_time: threading.Lock) -> None:
    while True:
        with one_at_a_time:
            host = next(remaining, None)
        if host is None:
            target.close()
            return
        _load_host(target, host)


def _load_host(target: Target, host: placement_shapes.Rows) -> None:
    stocks: dict[str, dict[str, dict[str, object]]] = {}
    for row in host.inventories:
        facts = dict(zip(placement_shapes.INVENTORY, row, strict=True))
        stocks.setdefault(str(facts["provider_id"]), {})[str(facts["resource_class"])] = {
            name: facts[name]
            for name in ("total", "reserved", "min_unit", "max_unit", "step_size", "allocation_ratio")
        }
    traits: dict[str, list[str]] = {}
    for provider_id, trait, _ in host.traits:
        traits.setdefault(str(provider_id), []).append(str(trait))
    for row in host.providers:
        provider = dict(zip(placement_shapes.PROVIDER, row, strict=True))
        id_, parent = str(provider["id"]), provider["parent_id"]
        body = {"uuid": id_, "name": provider["name"]}
        if parent is not None:
            body["parent_provider_uuid"] = str(parent)
        target.check("POST", "/resource_providers", body)
        generation = 0
        for what, key, value in (("inventories", "inventories", stocks), ("traits", "traits", traits)):
            if id_ in value:
                document = {"resource_provider_generation": generation, key: value[id_]}
                answer = target.check("PUT", f"/resource_providers/{id_}/{what}", document)
                generation = int(answer["resource_provider_generation"])
