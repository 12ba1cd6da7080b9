"""Runs programs and tells what they cost: wall, CPU, memory, bytes written, all of that process alone."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and of CPU (user and system), the greatest resident size in MiB, MB written to disk."""

    wall: float
    cpu: float
    peak: float
    written: float


def run(command, env=None, codes=(0,)):
    """Runs it to its end and returns (what it printed, what it cost)."""
    began = time.perf_counter()
    child = subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # What these programs print fits into a pipe, or is drained here before they are waited for.
    out, err = child.stdout.read(), child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in codes:
        sys.exit(f"{' '.join(command)}\nexit {child.returncode}\n{out}{err}")
    return out, Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, used.ru_oublock * 512 / 1e6)


def median(costs):
    """The median of each figure by itself."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "peak", "written")))
