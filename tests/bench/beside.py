"""How much later the poll of a fast account ends where a slow account is polled at the same time."""

import subprocess
import sys
import time

from measure import quickest, run
from served import served
from simulated import Site

ROUNDS = 9
# Not later at all, but for the noise.
GOAL = 1.05

OPENAI = "demo-openai"
BRAINTRUST = "demo-braintrust"
# The fast account's answers, and what is wrong with the slow one's.
FAST = "latency:openai:50"
SLOW = [("with answers of 5 s", "latency:braintrust:5000"), ("at its limit", "rate_limit_seconds:braintrust:1")]


def rows(program, scratch):
    """Of each poll of the fast account: beside what, how long it took, how long alone, and the goal for their ratio."""
    with Site(program, f"{scratch}/beside", "--keys", "5000", "--fault", FAST) as site:
        site.without_pace()
        site.set("^schedule .*", 'schedule = "0 0 1 1 *"')
        run([program, "poll", "--config", site.config])
        poll = [program, "ctl", "--config", site.config, "poll"]
        for name, fault in SLOW:
            site.faults(FAST)
            with served(program, site.config, f"{scratch}/beside-served"):
                alone = quickest([*poll, OPENAI], ROUNDS)
                site.faults(FAST, fault)
                slow = subprocess.Popen([*poll, BRAINTRUST], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                both = quickest([*poll, OPENAI], ROUNDS)
                if slow.poll() is not None:
                    sys.exit("the slow account was not slow")
                slow.terminate()
                slow.wait()
            yield f"OpenAI, 5,000 keys, in the daemon, beside an account {name}, ms", both.wall * 1e3, alone.wall * 1e3, GOAL
        poll = [program, "poll", "--config", site.config, "--account", OPENAI]
        for name, fault in SLOW:
            site.faults(FAST)
            alone = printed(poll, OPENAI)
            site.faults(FAST, fault)
            both = printed([*poll, "--account", BRAINTRUST], OPENAI)
            yield f"OpenAI, 5,000 keys, in one poll with an account {name}, ms", both * 1e3, alone * 1e3, GOAL


def printed(command, account):
    """Seconds until it prints what that account gave, in the quickest of some runs; the others are cut off then."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            first = process.stdout.readline()
            times.append(time.perf_counter() - began)
            process.terminate()
            process.stdout.read()
        if not first.startswith(account):
            sys.exit(f"it did not print {account} first: {first}")
    return min(times)
