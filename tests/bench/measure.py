"""Runs programs and tells what they cost: of each process and its children alone."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock and of CPU (user and system), MiB of the largest process, MB written to disk."""

    wall: float
    cpu: float
    peak: float
    written: float


def run(command, environment=None, folder=None):
    """Runs it to its end and returns what it printed and what it cost; ends with what it said where it fails."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        # Not process.wait(): the usage is to be of this child alone.
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        sys.exit(f"{text}\nended with {process.returncode}: {command[0]} {command[1]}")
    return text, Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, used.ru_oublock * 512 / 1e6)


def median(costs):
    """The median of each figure by itself."""
    return Cost(*(statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)))
