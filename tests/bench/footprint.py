"""What a daemon takes of a machine: time to start, rest, memory, disk. Arguments: PROGRAM SCRATCH KEYS.

Beside each figure stands its goal, where it has one for that many keys. Files are in the page cache; the simulated providers run on
the same machine, and are asked by polls alone.
"""

import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from signal import SIGKILL, SIGTERM

from dens import dens
from measure import memory, run, woken
from served import asked, served
from simulated import Site

STARTS = 5
FEW = 1_000
# Threads that the start needed have ended by then.
SETTLES = 12
AT_REST = 32
# Those of one answer: a goal is for as many.
DEN_KEYS = 100_000
# As the unit in deploy/ has it, in microseconds.
WATCHDOG = "120000000"
PAGES = ("/", "/keys", "/keys?q=staging", "/owners", "/accounts", "/changes", "/policy")


def row(name, figure, unit, goal=None):
    print(f"{name:58} {figure:10.1f} {unit:6} {goal if goal is not None else '':>8}")


def most(keys):
    """MiB that a process should hold at most."""
    return 32 if int(keys) <= 100_000 else 96


def begins(program, site, scratch, keys, goal):
    """What a start takes, and the first question after it, which reads all keys."""
    started, alive, ready, firsts = [], [], [], {}
    for _ in range(STARTS):
        for path in ("/metrics", "/"):
            with served(program, site.config, f"{scratch}/begins.log") as daemon:
                started.append(daemon.started)
                for answers, probe in ((alive, "/healthz"), (ready, "/readyz")):
                    asked(daemon.address, probe)
                    answers.append((time.perf_counter() - daemon.began) * 1e3)
                firsts.setdefault(path, []).append(asked(daemon.address, path)[1])
    row(f"{keys} keys: until the log says started", statistics.median(started), "ms", goal)
    row(f"{keys} keys: until /healthz has answered", statistics.median(alive), "ms", goal)
    row(f"{keys} keys: until /readyz has answered", statistics.median(ready), "ms", goal)
    for name, path in (("a scrape", "/metrics"), ("the overview", "/")):
        row(f"{keys} keys: the first question after that, {name}", statistics.median(firsts[path]), "ms")


def ends(program, site, scratch, keys):
    """From a SIGKILL in the middle of a poll until the next daemon is ready, and from a SIGTERM in one until the end."""
    ready, ended = [], []
    poll = [program, "ctl", "--config", site.config, "poll", "demo-openai"]
    log = f"{scratch}/ends.log"
    for turn in range(STARTS):
        for signal in (SIGKILL, SIGTERM):
            site.live(3600)
            with served(program, site.config, log) as daemon:
                polls = subprocess.Popen(poll, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(0.05 + turn * 0.05)
                if polls.poll() is not None:
                    sys.exit(f"{keys} keys are too few: the poll was over before the signal came")
                os.kill(daemon.pid, signal)
                began = time.perf_counter()
                os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
                if signal == SIGTERM:
                    ended.append((time.perf_counter() - began) * 1e3)
            polls.wait()
            if signal == SIGKILL:
                with served(program, site.config, log) as daemon:
                    asked(daemon.address, "/readyz")
                    ready.append((time.perf_counter() - daemon.began) * 1e3)
    row(f"{keys} keys: ready after a kill in a poll, at most", max(ready), "ms", 1000)
    row(f"{keys} keys: from a SIGTERM in a poll to the end, at most", max(ended), "ms", 5000)


def rest(program, site, scratch):
    """Memory and wake-ups of a daemon of few keys that nobody asks, alone and under a service manager with its watchdog."""
    os.environ.pop("NOTIFY_SOCKET", None)
    with served(program, site.config, f"{scratch}/rests.log") as daemon:
        time.sleep(SETTLES)
        alone = woken(daemon.pid, lambda: time.sleep(AT_REST))
        held, own, _ = memory(daemon.pid)
    row(f"{FEW} keys, at rest: memory", held, "MiB", 16)
    row(f"{FEW} keys, at rest: of that not of files", own, "MiB")
    told = Path(scratch) / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(told))
        environment = {"NOTIFY_SOCKET": str(told), "WATCHDOG_USEC": WATCHDOG}
        with served(program, site.config, f"{scratch}/rests.log", environment) as daemon:
            time.sleep(SETTLES)
            watched = woken(daemon.pid, lambda: listen(manager))
    for where, woke in (("alone", alone), ("under systemd with its watchdog", watched)):
        row(f"wake-ups at rest, {where}", sum(woke.values()), "a s")
        for thread, times in sorted(woke.items()):
            if times:
                row(f"  of {thread}", times, "a s")


def listen(manager):
    """Hears the daemon out, as a service manager does."""
    until = time.monotonic() + AT_REST
    while (left := until - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            manager.recv(4096)
        except TimeoutError:
            return


def polls(program, site, keys):
    """Peaks of the first and the second poll, and what a key takes of the file that the first one left, with an empty log."""
    poll = [program, "poll", "--config", site.config]
    row(f"{keys} OpenAI keys: peak of a first poll", run([*poll, "--account", "demo-openai"])[1].peak, "MiB", most(keys))
    size = (site.folder / "inventory.db").stat().st_size
    # The daemon is to find nothing that it has missed.
    row(f"{keys} OpenAI keys: peak of a second poll", run(poll)[1].peak, "MiB", most(keys))
    row(f"{keys} OpenAI keys: a key's part of the file", size / int(keys), "bytes", 300)


def asking(program, site, scratch, keys):
    with served(program, site.config, f"{scratch}/asked.log") as daemon:
        for path in ["/metrics", *PAGES] * 3:
            asked(daemon.address, path)
        held, own, peak = memory(daemon.pid)
        row(f"{keys} keys: peak of a daemon after scrapes and pages", peak, "MiB", most(keys))
        row(f"{keys} keys: held by it then", held, "MiB")
        row(f"{keys} keys: of that not of files", own, "MiB")
        asked(daemon.address, "/keys.csv")
        row(f"{keys} keys: its peak after all keys as CSV too", memory(daemon.pid)[2], "MiB")


def one_answer(program, site, keys):
    with dens(site, 1, keys) as config:
        for name in ("first", "second"):
            peak = run([program, "poll", "--config", config])[1].peak
            row(f"{keys} Den keys in one answer: peak of a {name} poll", peak, "MiB", 64)


def main():
    program, scratch, keys = sys.argv[1:]
    print(f"{'':58} {'measured':>10} {'':6} {'goal':>8}")
    row("the program's file", os.path.getsize(program) / 1e6, "MB", 15)
    with Site(program, f"{scratch}/few", "--keys", str(FEW)) as few, Site(program, f"{scratch}/many", "--keys", keys) as many:
        for site in (few, many):
            site.without_pace()
            site.without_schedule()
        polls(program, many, keys)
        one_answer(program, few, min(int(keys), DEN_KEYS))
        asking(program, many, scratch, keys)
        run([program, "poll", "--config", few.config])
        begins(program, few, scratch, FEW, 50)
        begins(program, many, scratch, keys, 1000)
        ends(program, many, scratch, keys)
        rest(program, few, scratch)


main()
