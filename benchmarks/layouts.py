"""What a layout costs on PostgreSQL with many hosts: for one of them, for a group, for all.

    python -m benchmarks.layouts [--hosts 10000] [--folder DIR]

Of each act: seconds, CPU of this process and of the database, statements, and how many times the baseline of
the same run it is (a layout for one host). Then: how long others wait who write to hosts meanwhile, what the
wake-ups cost where all hosts wait, and what the hosts' reading costs that follows.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from sqlalchemy import event
from sqlmodel import Session

from benchmarks import layouts_hosts
from benchmarks.kept_postgres import create_database, kept_server
from benchmarks.processes_cpu import cpu_ms, listening_on, with_children
from kcloud_api.bus import Bus
from kcloud_api.compute import assigning
from kcloud_api.db.engine import Database
from kcloud_api.db.migration import prepare
from kcloud_api.hosts import reporting
from kcloud_api.hosts.layouts import service, standing
from kcloud_api.hosts.layouts.bodies import LayoutBody, LayoutChange, LayoutTrial, Target
from kcloud_common.wire import CardLayoutWant, CutWant, SliceKind

TIMES = 5
GROUP = 1000
HALVES, QUARTERS = (
    (CardLayoutWant(match="10de:26b9", cuts=(CutWant(kind=SliceKind.MDEV, type=type_, count=n),)),)
    for type_, n in (("nvidia-559", 2), ("nvidia-558", 4))
)


@dataclass(frozen=True, slots=True)
class Cost:
    seconds: float
    own_ms: float
    postgres_ms: float
    statements: int


class Meter:
    """One database and its server's processes."""

    def __init__(self, database: Database, port: int) -> None:
        self._database = database
        self._server = min(listening_on(port))
        self._statements = 0
        event.listen(database.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._statements += 1

    def writing(self, act: Callable[[Session], object]) -> Cost:
        def work() -> None:
            with self._database.transaction() as session:
                act(session)

        return self._of(work)

    def reading(self, act: Callable[[Session], object]) -> Cost:
        def work() -> None:
            with self._database.reading() as session:
                act(session)

        return self._of(work)

    def _of(self, work: Callable[[], None]) -> Cost:
        self._statements = 0
        began, own, theirs = time.perf_counter(), time.process_time(), self._postgres()
        work()
        took = time.perf_counter() - began
        return Cost(took, (time.process_time() - own) * 1000, self._postgres() - theirs, self._statements)

    def _postgres(self) -> float:
        return cpu_ms(with_children(self._server))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the database lives; a temporary one unless said")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kcloud-layouts-") as temporary:
        Path(temporary).chmod(0o755)
        with kept_server(options.folder or Path(temporary) / "postgres") as server:
            url = create_database(server, "layouts")
            prepare(url, migrate=True)
            database = Database(url)
            began = time.monotonic()
            layouts_hosts.load(database, options.hosts)
            print(f"{options.hosts} hosts with {len(layouts_hosts.SLOTS)} cards each, loaded in "
                  f"{time.monotonic() - began:.0f} s")  # fmt: skip
            measure(
                database, Meter(database, int(server.rpartition(":")[2].partition("/")[0])), options.hosts
            )
            database.close()


def measure(database: Database, meter: Meter, hosts: int) -> None:
    names = [layouts_hosts.name(number) for number in range(hosts)]
    print(f"{'':34} {'s':>8} {'own CPU ms':>11} {'PG CPU ms':>10} {'statements':>11} {'times one':>10}")
    baseline = writes(meter, "a layout for one host", Target(kind="host", hosts=(names[0],)), None)
    writes(meter, f"for a group of {GROUP}", Target(kind="group", hosts=tuple(names[:GROUP])), baseline)
    writes(meter, f"for all {hosts}", Target(kind="all"), baseline)
    asked = LayoutTrial(name="trial", target=Target(kind="all"), cards=QUARTERS)
    page = [meter.reading(lambda s: standing.attempt(s, asked, standing.Page(200))) for _ in range(TIMES)]
    shown("a page of 200 hosts on trial", page, baseline)
    one = [meter.reading(lambda s: reporting.assignment(s, layouts_hosts.host_id(7))) for _ in range(20)]
    read = shown("one host reads its assignment", one, baseline)
    ours, theirs = read.own_ms * hosts / 1000, read.postgres_ms * hosts / 1000
    print(f"all {hosts} hosts read theirs: {ours:.0f} s of CPU, {theirs:.0f} s of PostgreSQL's")
    blocked(database, hosts)
    wakes(hosts)


def writes(meter: Meter, what: str, target: Target, baseline: Cost | None) -> Cost:
    """Made, changed and deleted, some times; prints each, and returns the change, which is the usual act."""
    made, changed, gone = [], [], []
    for _ in range(TIMES):
        body = LayoutBody(name=str(uuid4()), target=target, cards=QUARTERS)
        ids: list[UUID] = []

        def make(session: Session, body: LayoutBody = body, ids: list[UUID] = ids) -> None:
            ids.append(service.create(session, body, "me").id)

        def change(session: Session, ids: list[UUID] = ids) -> None:
            service.change(session, ids[0], LayoutChange(cards=HALVES), "me")

        def delete(session: Session, ids: list[UUID] = ids) -> None:
            service.remove(session, ids[0])

        made.append(meter.writing(make))
        changed.append(meter.writing(change))
        gone.append(meter.writing(delete))
    usual = shown(f"{what}: change", changed, baseline)
    shown(f"{'':{len(what)}}  make", made, baseline or usual)
    shown(f"{'':{len(what)}}  delete", gone, baseline or usual)
    return usual


def shown(what: str, costs: list[Cost], baseline: Cost | None) -> Cost:
    """By the median of seconds."""
    cost = Cost(
        statistics.median(each.seconds for each in costs),
        statistics.median(each.own_ms for each in costs),
        statistics.median(each.postgres_ms for each in costs),
        max(each.statements for each in costs),
    )
    ratio = cost.seconds / (baseline or cost).seconds
    print(f"{what:34} {cost.seconds:8.4f} {cost.own_ms:11.1f} {cost.postgres_ms:10.1f} {cost.statements:11} "
          f"{ratio:10.1f}")  # fmt: skip
    return cost


def blocked(database: Database, hosts: int) -> None:
    """Somebody who writes to one host after the other, as placing a server does: alone, and while a layout
    for all is changed again and again."""
    alone = waits(database, hosts, threading.Event(), seconds=2.0)
    stop = threading.Event()
    writer = threading.Thread(target=_change_again_and_again, args=(database, stop))
    writer.start()
    beside = waits(database, hosts, stop, seconds=4.0)
    writer.join()
    for what, taken in (("alone", alone), ("beside layouts for all", beside)):
        print(f"a write to one host, {what:22}: median {statistics.median(taken) * 1000:7.1f} ms, "
              f"longest {max(taken) * 1000:7.1f} ms of {len(taken)}")  # fmt: skip


def _change_again_and_again(database: Database, stop: threading.Event) -> None:
    body = LayoutBody(name="busy", target=Target(kind="all"), cards=QUARTERS)
    with database.transaction() as session:
        id_ = service.create(session, body, "me").id
    for number in count():
        if stop.wait(0.2):
            break
        with database.transaction() as session:
            service.change(session, id_, LayoutChange(cards=HALVES if number % 2 else QUARTERS), "me")
    with database.transaction() as session:
        service.remove(session, id_)


def waits(database: Database, hosts: int, stop: threading.Event, *, seconds: float) -> list[float]:
    random, taken, end = Random(1), [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        with database.transaction() as session:
            assigning.changed(session, layouts_hosts.host_id(random.randrange(hosts)))
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    stop.set()
    return taken


def wakes(hosts: int) -> None:
    """Every host waits in this process."""
    heard: list[str] = []
    bus = Bus("memory://")
    topics = [f"assignment:{layouts_hosts.host_id(number)}" for number in range(hosts)]
    for topic in topics:
        bus.subscribe(topic, heard.append)
    began = time.perf_counter()
    bus.wake(topics)
    took = time.perf_counter() - began
    print(f"{len(heard)} hosts that wait are woken in {took * 1000:.1f} ms")
    bus.close()


if __name__ == "__main__":
    main()
