"""Claims under contention: clients ask for candidates and write one of them, as a scheduler does."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import text

from benchmarks.placement_queries import CANDIDATES, PLAIN
from benchmarks.placement_service import Target
from benchmarks.processes_cpu import cpu_ms
from kcloud_api.db.engine import Database

OVER = text(
    "SELECT count(*) FROM placement_inventory i JOIN (SELECT provider_id, resource_class, sum(used) AS used "
    "FROM placement_allocation GROUP BY provider_id, resource_class) a ON a.provider_id = i.provider_id AND "
    "a.resource_class = i.resource_class WHERE a.used > (i.total - i.reserved) * i.allocation_ratio "
    "OR a.used <> i.used"
)
"""Where more is allocated than there is, or than the inventory says."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What one run of clients came to; CPU in ms for each claim."""

    rate: float
    server: float
    database: float
    client: float
    conflicts: int

    @property
    def cpu(self) -> float:
        """Of what is measured: the clients' own does not count."""
        return self.server + self.database

    def __str__(self) -> str:
        return (
            f"{self.rate:.0f} claims/s, {self.cpu:.1f} CPU ms each (server {self.server:.1f}, database "
            f"{self.database:.1f}; client besides {self.client:.1f}), {self.conflicts} conflicts"
        )


def claim_cycle(target: Target, shape: str, *, clients: int, seconds: float) -> Claims:
    """The clients are processes, so that they do not wait for one another. They begin together, when all are
    there: starting one takes as much CPU as a hundred claims."""
    command = [sys.executable, "-m", "benchmarks.placement_claims", target.url, shape, str(seconds)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(clients)
    ]
    for process in running:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("a client did not start")
    server, every = cpu_ms(target.servers), cpu_ms(target.pids)
    for process in running:
        if process.stdin is not None:
            process.stdin.write(b"go\n")
            process.stdin.flush()
    done = [json.loads(process.communicate()[0]) for process in running]
    # Database processes that were started meanwhile count from their beginning.
    server, every = cpu_ms(target.servers) - server, cpu_ms(target.pids) - every
    claims = sum(one["claims"] for one in done)
    each = max(1, claims)
    return Claims(
        rate=sum(one["claims"] / one["seconds"] for one in done),
        server=server / each,
        database=(every - server) / each,
        client=sum(one["cpu_ms"] for one in done) / each,
        conflicts=sum(one["conflicts"] for one in done),
    )


def over_allocations(url: str) -> int:
    database = Database(url)
    try:
        with database.reading() as session:
            return int(session.connection().execute(OVER).scalar() or 0)
    finally:
        database.close()


def client(url: str, shape: str, seconds: float) -> dict[str, float]:
    """One client's loop, begun when the line comes that says so."""
    target = Target("client", url, ())
    path = f"{CANDIDATES}{PLAIN[shape]}&limit=10"
    target.check("GET", path)
    print("ready", flush=True)
    sys.stdin.readline()
    claims = conflicts = 0
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - began < seconds:
        found = target.check("GET", path)["allocation_requests"]
        if not found:
            break
        body = {
            "allocations": random.choice(found)["allocations"],
            "project_id": "bench",
            "user_id": "bench",
            "consumer_generation": None,
            "consumer_type": "INSTANCE",
        }
        answer = target.ask("PUT", f"/allocations/{uuid4()}", body)
        if answer.status == 409:
            conflicts += 1
        elif answer.status == 204:
            claims += 1
        else:
            raise RuntimeError(f"{answer.status}: {answer.content[:300]!r}")
    return {
        "claims": claims,
        "conflicts": conflicts,
        "seconds": time.monotonic() - began,
        "cpu_ms": (time.process_time() - cpu) * 1000,
    }


def main(arguments: Sequence[str]) -> None:
    url, shape, seconds = arguments
    print(json.dumps(client(url, shape, float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
