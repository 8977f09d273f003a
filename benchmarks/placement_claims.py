"""Claims under contention: clients ask for candidates and write one of them, as a scheduler does."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
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


def claim_cycle(target: Target, shape: str, *, clients: int, seconds: float) -> tuple[float, float, int]:
    """Claims a second, CPU ms a claim (server and database), and how many attempts met a conflict. The
    clients are processes, so that they do not wait for one another."""
    command = [sys.executable, "-m", "benchmarks.placement_claims", target.url, shape, str(seconds)]
    pids = target.pids
    before = cpu_ms(pids)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(clients)]
    done = [json.loads(process.communicate()[0]) for process in running]
    # Database processes that were started meanwhile count from their beginning.
    used = cpu_ms(target.pids) - before
    claims = sum(one["claims"] for one in done)
    rate = sum(one["claims"] / one["seconds"] for one in done)
    return rate, used / max(1, claims), sum(one["conflicts"] for one in done)


def over_allocations(url: str) -> int:
    database = Database(url)
    try:
        with database.reading() as session:
            return int(session.connection().execute(OVER).scalar() or 0)
    finally:
        database.close()


def client(url: str, shape: str, seconds: float) -> dict[str, float]:
    """One client's loop."""
    target = Target("client", url, ())
    path = f"{CANDIDATES}{PLAIN[shape]}&limit=10"
    target.check("GET", path)
    claims = conflicts = 0
    began = time.monotonic()
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
    return {"claims": claims, "conflicts": conflicts, "seconds": time.monotonic() - began}


def main(arguments: Sequence[str]) -> None:
    url, shape, seconds = arguments
    print(json.dumps(client(url, shape, float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
