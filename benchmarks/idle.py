"""What the one-process cloud costs when nothing happens: memory, CPU, and how long a start takes.

Starts `kcloud up` with one fake host on a new data folder, stops it, starts it again (the timed start, from
nothing to the first answered request), waits, and prints RSS in MiB and CPU in percent of one core.

    .venv/bin/python -m benchmarks.idle [--seconds 30]
"""

import argparse
import os
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.e2e.cloud import free_port
from tests.e2e.processes import Process

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def first_answer(cloud: Process, port: int) -> float:
    """Seconds from nothing to the first answered request."""
    began = time.monotonic()
    cloud.launch()
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/identity/v3") as answer:
                answer.read()
            return time.monotonic() - began
        except OSError:
            time.sleep(0.01)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="kcloud-bench-") as name:
        port = free_port()
        words = ["--data-dir", f"{name}/data", "--port", str(port), "--hypervisor", "fake", "--hosts", "1"]
        cloud = Process(["kcloud", "up", *words], Path(name) / "log")
        cloud.start()
        cloud.stop()
        took = first_answer(cloud, port)
        cloud.wait_ready()
        time.sleep(5)
        before = cpu_seconds(cloud.pid)
        time.sleep(seconds)
        used = cpu_seconds(cloud.pid) - before
        print(f"start to first answer:  {took:.2f} s")
        print(f"idle memory (RSS):      {rss_mib(cloud.pid):.0f} MiB")
        print(f"idle CPU:               {100 * used / seconds:.2f} % of one core over {seconds} s")
        cloud.stop()


if __name__ == "__main__":
    main()
