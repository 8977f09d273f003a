"""Words for each constraint that a host may not meet, by its stable code. Pure.

`what` and `help_with` speak of what was asked for and of hosts in general, so that anybody may read them
(invariant I5). `of_host` says what one host has; it is for operators.
"""

from collections.abc import Callable, Sequence

from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.scheduler.request import HOSTS_ALONE

Words = Callable[[Constraint], str]


def _amount(constraint: Constraint) -> str:
    return f"{constraint.amount} {constraint.resource_class}"


def _devices(constraint: Constraint) -> str:
    return f"{constraint.amount} {constraint.resource_class or 'devices'}"


def _class(constraint: Constraint) -> str:
    """What a need of several classes has no one name for."""
    return constraint.resource_class or "what fits"


def _traits(constraint: Constraint) -> str:
    names = ", ".join(constraint.names)
    return f"the trait {names}" if len(constraint.names) == 1 else f"any of the traits {names}"


def _forbidden(constraint: Constraint) -> str:
    names = ", ".join(constraint.names)
    return f"the forbidden trait {names}" if len(constraint.names) == 1 else f"a forbidden trait ({names})"


def _asked(constraint: Constraint) -> str:
    """What the flavor says, in its own words."""
    return constraint.names[0] if constraint.names else "the flavor"


def _cell(constraint: Constraint) -> str:
    return constraint.names[-1] if constraint.names else "a cell"


def _both(constraint: Constraint) -> str:
    return " and ".join(constraint.names)


WHAT: dict[str, Words] = {
    "host_down": lambda _: "are down",
    "host_not_ready": lambda _: "are not ready for new servers",
    "root_trait_missing": lambda c: f"lack {_traits(c)}",
    "root_trait_forbidden": lambda c: f"have {_forbidden(c)}",
    "not_in_tree": lambda _: "are not the host asked for",
    "resource_class_absent": lambda c: f"have no {c.resource_class}",
    "classes_apart": lambda c: f"have {_both(c)} only in different devices",
    "aggregate_missing": lambda c: f"have {_class(c)} in no aggregate that was asked for",
    "aggregate_forbidden": lambda c: f"have {_class(c)} only in aggregates that were ruled out",
    "trait_missing": lambda c: (
        f"have no {c.resource_class} with {_traits(c)}" if c.resource_class else f"lack {_traits(c)}"
    ),
    "trait_forbidden": lambda c: f"have {_class(c)} only with {_forbidden(c)}",
    "below_min_unit": lambda c: f"give out {c.resource_class} only in larger amounts than {c.amount}",
    "above_max_unit": lambda c: f"give out less than {_amount(c)} at once",
    "not_step_size": lambda c: f"give out {c.resource_class} in steps that {c.amount} does not meet",
    "resource_class_too_small": lambda c: f"are too small for {_amount(c)}, even with nothing in use",
    "resource_class_short": lambda c: f"have too little {c.resource_class} free ({c.amount} needed)",
    "not_in_one_provider": lambda c: f"have {_amount(c)} free only in several devices together",
    "trait_taken": lambda c: f"have {_traits(c)} only where there is too little free",
    "group_apart": lambda c: f"have room for {_both(c)} only in different devices",
    "groups_do_not_fit": lambda _: "have room for each resource group, but not for all together",
    "not_isolated": lambda c: f"have too few devices to give each of {c.amount} groups its own",
    "not_in_one_subtree": lambda c: (
        f"do not have {_amount(c)} under one subtree"
        if c.resource_class
        else "do not have the groups under one subtree"
    ),
    "not_below_one_switch": lambda c: f"do not have {_devices(c)} free below one PCIe switch",
    "not_on_one_node": lambda c: f"do not have {_devices(c)} free on one NUMA node",
    "not_on_the_cells_nodes": lambda c: (
        f"do not have {_devices(c)} free on as few NUMA nodes as hw:numa_nodes says, with room for the guest"
    ),
    "too_few_numa_nodes": lambda c: f"have fewer than {c.amount} NUMA nodes ({_asked(c)})",
    "numa_nodes_too_small": lambda c: (
        f"have fewer than {c.amount} NUMA nodes with {_cell(c)} each ({_asked(c)})"
    ),
    "too_few_free_pages": lambda c: f"have too few pages free for {c.amount} MEMORY_MB ({_asked(c)})",
    "too_few_address_bits": lambda c: f"have fewer than {c.amount} physical address bits ({_asked(c)})",
}  # fmt: skip
"""By code: "2 hosts ..."."""


def _less(constraint: Constraint) -> str:
    return "ask for fewer, " if constraint.amount > 1 else ""


def _other_host(constraint: Constraint) -> str:
    return f"have a host with {constraint.resource_class} added"


HELP: dict[str, Words] = {
    "host_down": lambda _: "try again when the hosts are back",
    "host_not_ready": lambda _: "try again when the hosts are ready",
    "root_trait_missing": lambda c: f"ask for a flavor without {_traits(c)}, or have a host with it added",
    "root_trait_forbidden": lambda _: "ask for a flavor that does not forbid it",
    "not_in_tree": lambda _: "ask for any host, or for one that there is",
    "resource_class_absent": lambda c: f"ask for a flavor without {c.resource_class}, or {_other_host(c)}",
    "classes_apart": lambda _: "ask for the classes in groups of their own",
    "aggregate_missing": lambda _: "ask for another aggregate",
    "aggregate_forbidden": lambda _: "rule fewer aggregates out",
    "trait_missing": lambda c: f"ask for a flavor without {_traits(c)}, or have a host with it added",
    "trait_forbidden": lambda _: "ask for a flavor that does not forbid it",
    "below_min_unit": lambda c: f"ask for more {c.resource_class}",
    "above_max_unit": lambda c: f"ask for less {c.resource_class}",
    "not_step_size": lambda c: f"ask for another amount of {c.resource_class}",
    "resource_class_too_small": lambda c: f"ask for less {c.resource_class}, or have a larger host added",
    "resource_class_short": lambda c: (
        f"delete a server that holds {c.resource_class}, {_less(c)}or {_other_host(c)}"
    ),
    "not_in_one_provider": lambda c: (
        f"ask for {c.resource_class} in several numbered groups "
        f"(resources1:{c.resource_class}=1, resources2:{c.resource_class}=1), or for less"
    ),
    "trait_taken": lambda c: (
        f"delete a server that holds a device with {_traits(c)}, or ask for a flavor without it"
    ),
    "group_apart": lambda _: "delete a server, ask for less, or for the classes in groups of their own",
    "groups_do_not_fit": lambda _: "delete a server, or ask for fewer or smaller groups",
    "not_isolated": lambda _: "delete a server, ask for fewer groups, or for group_policy=none",
    "not_in_one_subtree": lambda _: "delete a server, ask for less, or without same_subtree",
    "not_below_one_switch": lambda _: (
        "delete a server that holds such devices, ask for fewer, or for a flavor that lets them be apart"
    ),
    "not_on_one_node": lambda _: (
        "delete a server that holds such devices, ask for fewer, or for a flavor that lets them be apart"
    ),
    "not_on_the_cells_nodes": lambda _: (
        "delete a server that holds such devices, ask for fewer, or for a flavor with more NUMA nodes"
    ),
    "too_few_numa_nodes": lambda _: "ask for a flavor with fewer NUMA nodes, or have such a host added",
    "numa_nodes_too_small": lambda _: "ask for a smaller flavor, or for one with more NUMA nodes",
    "too_few_free_pages": lambda _: (
        "delete a server that holds such pages, ask for another page size, or have more reserved on a host"
    ),
    "too_few_address_bits": lambda _: "ask for a flavor with fewer bits, or have such a host added",
}  # fmt: skip
"""By code: "What would help: ..."."""

OF_HOST: dict[str, Callable[[Constraint, str], str]] = {
    "below_min_unit": lambda c, has: f"needs {_amount(c)}, gives no less than {has}",
    "above_max_unit": lambda c, has: f"needs {_amount(c)} at once, gives at most {has}",
    "not_step_size": lambda c, has: f"needs {_amount(c)}, gives multiples of {has}",
    "resource_class_too_small": lambda c, has: f"needs {_amount(c)}, has {has} in all",
    "resource_class_short": lambda c, has: f"needs {_amount(c)}, has {has} free",
    "not_in_one_provider": lambda c, has: f"needs {_amount(c)} from one provider, has {has}",
    "not_isolated": lambda c, has: f"needs {c.amount} providers of their own, has {has}",
    "not_in_one_subtree": lambda c, has: (
        f"needs {_amount(c)} under one subtree, has {has}"
        if c.resource_class
        else "needs the groups under one subtree"
    ),
    "not_below_one_switch": lambda c, has: f"needs {_devices(c)} below one PCIe switch, has {has} free",
    "not_on_one_node": lambda c, has: f"needs {_devices(c)} on one NUMA node, has {has} free",
    "not_on_the_cells_nodes": lambda c, has: f"needs {_devices(c)} on the guest's NUMA nodes, has {has} free",
    "too_few_numa_nodes": lambda c, has: f"{_asked(c)}: has {has} NUMA node{'' if has == '1' else 's'}",
    "numa_nodes_too_small": lambda c, has: f"{_asked(c)}: {has} of its NUMA nodes have {_cell(c)}",
    "too_few_free_pages": lambda c, has: f"{_asked(c)}: needs {c.amount} MiB in such pages, has {has} left",
    "too_few_address_bits": lambda c, has: f"{_asked(c)}: its processors have {has}",
}  # fmt: skip
"""By code, where there are numbers to tell."""


def what(constraint: Constraint) -> str:
    """After "2 hosts": what they lack."""
    words = _of_hosts_alone if _is_held(constraint) else WHAT[constraint.code]
    return _with_groups(words(constraint), constraint)


def what_one(constraint: Constraint) -> str:
    """The same after "1 host"."""
    verb, _, rest = what(constraint).partition(" ")
    return f"{SINGULAR[verb]} {rest}"


SINGULAR = {"have": "has", "are": "is", "lack": "lacks", "give": "gives", "do": "does",
            "count": "counts"}  # fmt: skip


def help_with(constraint: Constraint) -> str:
    name = constraint.resource_class
    if is_of_hosts_alone(constraint):
        return f"ask without {name}: hosts count their {HOSTS_ALONE[name]}, and no server can have any"
    return HELP[constraint.code](constraint)


def is_of_hosts_alone(constraint: Constraint) -> bool:
    """Whether it asks for what no host gives any server: neither a larger host nor a free one would help."""
    return constraint.resource_class in HOSTS_ALONE


def _is_held(constraint: Constraint) -> bool:
    """There is some, all of it reserved: to placement that is a size of nothing."""
    return constraint.code == "resource_class_too_small" and is_of_hosts_alone(constraint)


def _of_hosts_alone(constraint: Constraint) -> str:
    return f"count {constraint.resource_class}, but no server can have any"


def of_host(missed: NearestMiss) -> str:
    """What stands in this host's way, with its own numbers."""
    constraint = missed.removed_by
    tell = OF_HOST.get(constraint.code)
    if tell is None or _is_held(constraint):
        return what_one(constraint)
    return _with_groups(tell(constraint, _parts(missed.has)), constraint)


def _parts(has: Sequence[int]) -> str:
    return "+".join(map(str, has)) or "none"


def _with_groups(words: str, constraint: Constraint) -> str:
    """Which of the request's groups it is about, where that is not all of them."""
    named = [suffix for suffix in constraint.groups if suffix]
    if not named or constraint.code in ("groups_do_not_fit", "not_isolated"):
        return words
    told = f"group{'s' if len(named) > 1 else ''} {', '.join(named)}"
    return f"{words[:-1]}; {told})" if words.endswith(")") else f"{words} ({told})"
