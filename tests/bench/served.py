"""A daemon that serves an inventory on loopback, for as long as it is needed, and what it takes to answer."""

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager


@contextmanager
def served(program, config, log):
    """Its address."""
    with open(log, "w") as file:
        environment = os.environ | {"KEYMUSTER__LOG__FORMAT": "json", "KEYMUSTER__WEB__LISTEN": "127.0.0.1:0"}
        process = subprocess.Popen([program, "run", "--config", config], env=environment, stdout=file, stderr=file)
    try:
        for _ in range(600):
            lines = [json.loads(line) for line in open(log) if '"message":"started"' in line]
            if lines or process.poll() is not None:
                break
            time.sleep(0.1)
        yield lines[0]["address"] if lines else sys.exit(open(log).read())
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
