"""A daemon that serves an inventory on loopback, for as long as it is needed, and what it takes to answer."""

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from measure import Cost, run


class Daemon:
    """A daemon under way: its address, and what it has cost so far."""

    def __init__(self, program, config, process, address):
        self.program, self.config, self.process, self.address = program, config, process, address

    def poll(self, account):
        """Polls once, and returns what that cost."""
        (self._proc / "clear_refs").write_text("5")
        before = self._cost()
        run([self.program, "ctl", "--config", self.config, "poll", account])
        after = self._cost()
        return Cost(after.wall - before.wall, after.cpu - before.cpu, after.peak, after.written - before.written)

    @property
    def _proc(self):
        return Path(f"/proc/{self.process.pid}")

    def _cost(self):
        # The second field, the name, may hold anything; user and system are the 14th and 15th.
        used = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        status = dict(line.split(":", 1) for line in (self._proc / "status").read_text().splitlines())
        io = dict(line.split(":", 1) for line in (self._proc / "io").read_text().splitlines())
        cpu = sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
        return Cost(time.perf_counter(), cpu, int(status["VmHWM"].split()[0]) / 1024, int(io["write_bytes"]) / 1e6)


@contextmanager
def served(program, config, log):
    """The daemon, once it has started."""
    with open(log, "w") as file:
        environment = os.environ | {"KEYMUSTER__LOG__FORMAT": "json", "KEYMUSTER__WEB__LISTEN": "127.0.0.1:0"}
        process = subprocess.Popen([program, "run", "--config", config], env=environment, stdout=file, stderr=file)
    try:
        for _ in range(600):
            lines = [json.loads(line) for line in open(log) if '"message":"started"' in line]
            if lines or process.poll() is not None:
                break
            time.sleep(0.1)
        yield Daemon(program, config, process, lines[0]["address"]) if lines else sys.exit(open(log).read())
    finally:
        process.terminate()
        process.wait()


def asked(address, path):
    """Milliseconds until the first and the last byte of the answer's body."""
    connection = http.client.HTTPConnection(address, timeout=60)
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
