"""Runs programs and tells what they cost: of each process and its children alone."""

import contextlib
import glob
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


# The program is started by a process that is small: it is never counted smaller than the one that started it.
STARTER = """
import os, sys, time
told, *command = sys.argv[1:]
began = time.perf_counter()
_, status, used = os.wait4(os.posix_spawnp(command[0], command, os.environ), 0)
wall = time.perf_counter() - began
figures = [wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, used.ru_oublock * 512 / 1e6]
with os.fdopen(int(told), "w") as told:
    print(os.waitstatus_to_exitcode(status), *figures, file=told)
"""


def run(command, environment=None, folder=None):
    """Runs it to its end and returns what it printed and what it cost; ends with what it said where it fails."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
        subprocess.run(
            [sys.executable, "-ISc", STARTER, str(told.fileno()), *command],
            cwd=folder,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[told.fileno()],
        )
        for file in (said, told):
            file.seek(0)
        text, (code, *figures) = said.read(), told.read().split()
    if code != "0":
        sys.exit(f"{text}\nended with {code}: {command[0]} {command[1]}")
    return text, Cost(*map(float, figures))


def memory(pid):
    """MiB that a process holds, of them its own (the others are of files), and that it held at most."""
    lines = (line.split() for line in open(f"/proc/{pid}/status"))
    told = {line[0]: int(line[1]) / 1024 for line in lines if line[0] in ("VmRSS:", "RssAnon:", "VmHWM:")}
    return told["VmRSS:"], told["RssAnon:"], told["VmHWM:"]


def woken(pid, pause):
    """How often a second its threads were woken during the pause, by their name. What threads did that have ended by then is lost."""
    before, began = wakes(pid), time.perf_counter()
    pause()
    took, rates = time.perf_counter() - began, {}
    for thread, times in wakes(pid).items():
        rates[thread[1]] = rates.get(thread[1], 0) + (times - before.get(thread, 0)) / took
    return rates


def wakes(pid):
    """How often each thread of a process has waited for something, by its number and name."""
    counts = {}
    for status in glob.glob(f"/proc/{pid}/task/*/status"):
        # It may end at any time.
        with contextlib.suppress(OSError), open(status) as lines:
            told = dict(line.rstrip("\n").split(":\t", 1) for line in lines)
            counts[told["Pid"], told["Name"]] = int(told["voluntary_ctxt_switches"])
    return counts


def median(costs):
    """The median of each figure by itself."""
    return Cost(*(statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)))


def quickest(command, rounds):
    """The cost of the quickest of some runs: whatever else the machine does makes the others slower."""
    return min((run(command)[1] for _ in range(rounds)), key=lambda cost: cost.wall)
