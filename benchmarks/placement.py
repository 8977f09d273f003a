"""What placement costs: every kind of question, at three sizes, alone or beside upstream.

Starts `kcloud-api --services placement` on a PostgreSQL of its own (or on SQLite), fills it with hosts of a
shape and prints, for each question, p50 and p95 in ms and CPU in ms (server and database). With --upstream
the same questions go to that URL, turn and turn about; its CPU is that of --upstream-pids, or of whoever
listens on its port. It must hold the same hosts: --load-upstream puts them there, through its API.
--start-upstream does all of that: it runs upstream out of a virtual environment (placement_upstream.py).
Figures called "reference" are upstream 16.0.0's on another machine of this class, nested or flat as printed.

    .venv/bin/python -m benchmarks.placement [--shapes nested,flat] [--hosts 1000,10000,62500]
        [--sqlite] [--seconds 3] [--workers 1] [--claims] [--keep FOLDER]
        [--start-upstream VENV | --upstream URL [--load-upstream] [--upstream-pids 1,2]]

--keep leaves the loaded databases in FOLDER; the next run with that folder starts from copies of them.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import placement_shapes
from benchmarks.kept_postgres import kept_server
from benchmarks.placement_claims import claim_cycle, over_allocations
from benchmarks.placement_databases import Databases
from benchmarks.placement_queries import (
    CANDIDATES,
    CLAIM_CYCLE,
    EQUAL_DEVICES,
    Question,
    isolated,
    questions,
)
from benchmarks.placement_rest import load_over_rest
from benchmarks.placement_service import Answer, Ours, Target
from benchmarks.placement_upstream import upstream
from benchmarks.processes_cpu import listening_on, rss_mib
from tests.postgres import postgres_server

REST_HOSTS = 1000
"""Largest size that is loaded through upstream's API: it takes minutes."""
LINE = "{:38} {:>9} {:>9} {:>9} {:>10} {:>10} {:>7}"


def measure(targets: Sequence[Target], question: Question, seconds: float) -> list[list[Answer]]:
    """The answers of each target, asked in turn: 3 to 200 times, for about `seconds`."""
    found: list[list[Answer]] = [[] for _ in targets]
    for target in targets:
        target.check("GET", question.path)
    end = time.monotonic() + seconds
    while len(found[0]) < 3 or (time.monotonic() < end and len(found[0]) < 200):
        for target, answers in zip(targets, found, strict=True):
            answers.append(target.ask("GET", question.path))
        if question.heavy and time.monotonic() > end:
            break
    return found


def shown(name: str, answers: Sequence[Answer], *, reference: float | None, bar: float = 0) -> float:
    """Print one line; returns the CPU ms."""
    times = sorted(answer.ms for answer in answers)
    cpu = statistics.fmean(answer.cpu for answer in answers)
    p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
    ratio = f"{reference / cpu:.0f}x" if reference and cpu else "-"
    print(
        LINE.format(name, f"{statistics.median(times):.2f}", f"{p95:.2f}", f"{cpu:.2f}",
                    f"{len(answers[-1].content) / 1024:.1f}", f"{reference:.0f}" if reference else "-", ratio)
        + (f"  (bar {bar:.0f}x)" if bar and reference else "")
    )  # fmt: skip
    return cpu


def measure_all(
    ours: Target, upstream: Target | None, shape: str, hosts: int, seconds: float
) -> dict[str, float]:
    """Every question of the shape; our CPU by question."""
    print(LINE.format("", "p50 ms", "p95 ms", "CPU ms", "KiB", "reference", "ratio"))
    costs = {}
    stocked = next(placement_shapes.rows(shape, 1)).inventories[0]
    asked = questions(shape, str(stocked[placement_shapes.INVENTORY.index("provider_id")]))
    for question in asked:
        targets = [ours, *([upstream] if upstream is not None else [])]
        answers = measure(targets, question, seconds)
        costs[question.name] = shown(
            question.name, answers[0], reference=question.reference.get(hosts), bar=question.bar
        )
        if upstream is not None:
            theirs = shown("  upstream, live", answers[1], reference=None)
            print(f"  live ratio {theirs / costs[question.name]:.1f}x")
    return costs


def equal_devices(ours: Target, hosts: int, seconds: float) -> None:
    """k of the eight equal accelerators of a host, each by itself."""
    for k in range(1, 9):
        question = Question("", f"{CANDIDATES}{isolated(k)}&limit=10", {})
        (answers,) = measure([ours], question, seconds)
        shown(f"{k} of 8 equal devices, limit=10", answers, reference=EQUAL_DEVICES.get((k, hosts)))


def visibility(ours: Target, shape: str, rounds: int = 50) -> None:
    """Write an amount, read at once over another connection: stale answers, and what the read took."""
    reader = ours.another()
    root = str(placement_shapes.root_id(0))
    provider = root
    if shape == "nested":
        tree = ours.check("GET", f"/resource_providers?in_tree={root}")["resource_providers"]
        provider = next(one["uuid"] for one in tree if one["name"].endswith("numa-0"))
    path = f"/resource_providers/{provider}/inventories/VCPU"
    now = ours.check("GET", path)
    original = now["total"]
    times, stale = [], 0
    for number in range(rounds):
        now = ours.check("PUT", path, {**now, "total": 200 + number, "max_unit": 200 + number})
        words = f"resources_C=VCPU:{200 + number}&in_tree_C={provider}&limit=1"
        answer = reader.ask("GET", CANDIDATES + words)
        times.append(answer.ms)
        stale += not answer.json()["allocation_requests"]
    ours.check("PUT", path, {**now, "total": original, "max_unit": original})
    reader.close()
    p50 = statistics.median(times)
    print(f"write, then read over another connection: p50 {p50:.2f} ms, stale {stale} of {rounds}")


def claims(ours: Target, database: str, shape: str, hosts: int, seconds: float) -> None:
    done = claim_cycle(ours, shape, clients=8, seconds=max(3.0, seconds))
    reference = CLAIM_CYCLE.get((shape, hosts))
    beside = f"; reference {reference:.0f} CPU ms" if reference else ""
    print(f"claim cycle, 8 clients: {done}{beside}")
    print(f"over-allocations: {over_allocations(database)}")


def run(options: argparse.Namespace, databases: Databases, folder: Path) -> None:
    growth: dict[tuple[str, int], dict[str, float]] = {}
    for shape in options.shapes.split(","):
        for hosts in map(int, options.hosts.split(",")):
            with ExitStack() as closing:
                beside = closing.enter_context(_beside(options, databases.folder, shape, hosts))
                url = closing.enter_context(databases.loaded(shape, hosts))
                ours = Ours(url, folder, options.workers, options.set)
                growth[shape, hosts] = one_size(ours, beside, options, (shape, hosts))
    if options.claims:
        return
    for hosts in (1, 10):
        if "nested" in options.shapes and not options.no_equal:
            with databases.loaded("nested", hosts) as url, Ours(url, folder).running() as target:
                equal_devices(target, hosts, options.seconds)
    _print_growth(growth)


def one_size(
    ours: Ours, beside: Target | None, options: argparse.Namespace, size: tuple[str, int]
) -> dict[str, float]:
    """Everything about one cloud; our CPU by question."""
    shape, hosts = size
    with ours.running() as target:
        if options.claims:
            claims(target, ours.database, shape, hosts, options.seconds)
            return {}
        costs = measure_all(target, beside, shape, hosts, options.seconds)
        if shape == "nested" and hosts <= REST_HOSTS and not options.no_equal:
            equal_devices(target, hosts, options.seconds)
        visibility(target, shape)
        if not options.no_claims:
            claims(target, ours.database, shape, hosts, options.seconds)
        memory = rss_mib(target.servers), rss_mib(target.servers, "VmHWM")
        print(f"memory: {memory[0]:.0f} MiB now, {memory[1]:.0f} MiB at most")
    first = ours.first_answer(questions(shape, "")[1].path)
    print(
        f"restart to first candidates: {first.seconds:.1f} s, {first.cpu / 1000:.1f} s CPU, "
        f"{first.memory:.0f} MiB at most"
    )
    return costs


def _print_growth(growth: dict[tuple[str, int], dict[str, float]]) -> None:
    for shape in dict.fromkeys(shape for shape, _ in growth):
        sizes = [hosts for found, hosts in growth if found == shape]
        print(f"\n== growth, {shape}: CPU ms at {', '.join(map(str, sizes))} hosts")
        for name in growth[shape, sizes[0]]:
            costs = [growth[shape, hosts].get(name, 0.0) for hosts in sizes]
            factor = costs[-1] / costs[0] if costs[0] else 0
            print(f"{name:38} " + " ".join(f"{cost:>9.2f}" for cost in costs) + f"   {factor:.1f}x")


@contextmanager
def _beside(options: argparse.Namespace, folder: Path, shape: str, hosts: int) -> Iterator[Target | None]:
    """Upstream with the same hosts, where it was asked for and can hold as many."""
    if hosts > REST_HOSTS or not (options.upstream or options.start_upstream):
        yield None
        return
    if options.start_upstream:
        with upstream(options.start_upstream, folder, shape, hosts) as target:
            yield target
        return
    port = int(options.upstream.rpartition(":")[2].partition("/")[0])
    given = [int(pid) for pid in options.upstream_pids.split(",") if pid]
    # Workers are children of their master, which listens too.
    target = Target("upstream", options.upstream, (), given or listening_on(port)[:1])
    if options.load_upstream:
        load_over_rest(target, shape, hosts)
    yield target


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", default="nested,flat")
    parser.add_argument("--hosts", default="1000,10000,62500", help="sizes, smallest first")
    parser.add_argument("--seconds", type=float, default=3, help="how long each question is asked")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.OPTION=VALUE")
    parser.add_argument("--sqlite", action="store_true", help="instead of PostgreSQL")
    parser.add_argument("--claims", action="store_true", help="the claim cycle alone")
    parser.add_argument("--no-equal", action="store_true", help="leave out equal devices on 1 and 10 hosts")
    parser.add_argument("--upstream", metavar="URL", help="a running upstream placement with noauth2")
    parser.add_argument(
        "--upstream-pids", default="", metavar="PID,...", help="its and its database's; their children count"
    )
    parser.add_argument("--load-upstream", action="store_true", help="it is empty: fill it with the hosts")
    parser.add_argument(
        "--start-upstream", metavar="VENV", type=Path, help="run upstream from this virtual environment"
    )
    parser.add_argument("--no-claims", action="store_true", help="leave out claims under contention")
    parser.add_argument(
        "--keep", metavar="FOLDER", type=Path, help="keep loaded databases here for next time"
    )
    options = parser.parse_args()
    # Whoever watches a file sees each line at once.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="kcloud-bench-")))
        kept: Path | None = options.keep and options.keep.resolve()
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
        server = None
        if not options.sqlite:
            server = closing.enter_context(
                kept_server(kept / "postgres") if kept is not None else postgres_server()
            )
        run(options, Databases(kept or folder, server, keep=kept is not None), folder)


if __name__ == "__main__":
    main()
