"""A daemon that serves an inventory on loopback, for as long as it is needed, and what it takes to answer."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import Cost, memory, run

STARTS_WITHIN = 600


@dataclass(frozen=True)
class Daemon:
    """One that has started: when its process began, by `perf_counter`, and milliseconds from then until it said that it had."""

    program: str
    config: str
    address: str
    pid: int
    began: float
    started: float
    environment: dict

    def poll(self, *accounts):
        """Polls these accounts once, or all, and returns what that cost."""
        (self._proc / "clear_refs").write_text("5")
        before = self.cost()
        run([self.program, "ctl", "--config", self.config, "poll", *accounts], self.environment)
        after = self.cost()
        return Cost(after.wall - before.wall, after.cpu - before.cpu, after.peak, after.written - before.written)

    def text(self, path):
        """What it answers."""
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=60) as answer:
            return answer.read().decode()

    def cost(self):
        """What its process took until now."""
        # The second field, the name, may hold anything; user and system are the 14th and 15th.
        used = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        io = dict(line.split(":", 1) for line in (self._proc / "io").read_text().splitlines())
        cpu = sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
        return Cost(time.perf_counter(), cpu, memory(self.pid)[2], int(io["write_bytes"]) / 1e6)

    @property
    def _proc(self):
        return Path(f"/proc/{self.pid}")


# What deploy/systemd/keymuster.service sets.
AS_THE_UNIT = {"MALLOC_ARENA_MAX": "2"}


@contextmanager
def served(program, config, log, environment=None, under=()):
    """The daemon; `under` is a command that runs it."""
    own = {"KEYMUSTER__LOG__FORMAT": "json", "KEYMUSTER__WEB__LISTEN": "127.0.0.1:0"} | AS_THE_UNIT | (environment or {})
    with open(log, "w") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*under, program, "run", "--config", config], env=os.environ | own, stdout=file, stderr=file
        )
    try:
        lines = []
        while not lines and process.poll() is None and time.perf_counter() < began + STARTS_WITHIN:
            time.sleep(0.001)
            lines = [json.loads(line) for line in open(log) if '"message":"started"' in line and line.endswith("\n")]
        started = (time.perf_counter() - began) * 1e3
        if not lines:
            sys.exit(open(log).read())
        yield Daemon(program, config, lines[0]["address"], process.pid, began, started, own)
    finally:
        process.terminate()
        process.wait()


def asked(address, path, patience=600):
    """Milliseconds until the first and the last byte of the answer's body."""
    connection = http.client.HTTPConnection(address, timeout=patience)
    connection.connect()
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read(1)
    first = time.perf_counter()
    answer.read()
    last = time.perf_counter()
    connection.close()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status}")
    return (first - began) * 1e3, (last - began) * 1e3
