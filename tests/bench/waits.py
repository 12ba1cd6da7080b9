"""How long polls take of providers whose answers take their time, and how many requests they make, each beside the least that it
could be. Arguments: PROGRAM SCRATCH.

Everything is on loopback, where each answer comes after a latency that is set. `goal` is what the ratio should be at most.
"""

import http.client
import statistics
import sys
import time

import beside
import minimum
from measure import quickest, run
from served import served
from simulated import Site

ROUNDS = 15
LATENCY = 0.1
CONCURRENCY = 32
# The limit of the server, in requests a second.
LIMIT = 60
# Faster than CONCURRENCY requests at LATENCY come.
NO_PACE = 60_000


def members(program, scratch, number, pace, *limit):
    """A first poll of an organisation of that many members: its cost, the requests for members' keys, and how many were refused."""
    latency = f"latency:braintrust:{LATENCY * 1e3:.0f}"
    with Site(program, scratch, "--members", str(number), *(f"--fault={fault}" for fault in (latency, *limit))) as site:
        site.set("^pace .*", f"pace = {pace}\nconcurrency = {CONCURRENCY}")
        site.set('listing = "auto"', 'listing = "header"')
        cost = run([program, "poll", "--config", site.config, "--account", "demo-braintrust"])[1]
        homes = [key["home"] for key in site.truth("braintrust") if key["home"] != "service_tokens"]
        # Of each member a page with keys, and an empty one.
        return cost, 2 * len(set(homes)), site.requests("braintrust")[1]


def large(program, scratch):
    cost, requests, _ = members(program, f"{scratch}/large", 10_000, NO_PACE)
    yield "Braintrust, 10,000 members, answers of 100 ms, 32 at once, s", cost.wall, requests * LATENCY / CONCURRENCY, 1.05
    limit = f"rate_limit_seconds:braintrust:{LIMIT * 60}"
    # The server counts by the minute: whoever keeps no pace has a minute's requests at its beginning, and may end before the bound.
    for name, pace in (("set as pace", LIMIT * 60), ("not set", NO_PACE)):
        cost, requests, refused = members(program, f"{scratch}/limit-{pace}", 3_000, pace, limit)
        yield f"Braintrust, 3,000 members, a limit of {LIMIT} requests a second, {name}, s", cost.wall, requests / LIMIT, 1.05
        yield "    answers 429 a minute", refused / cost.wall * 60, 1, 1


def answer(site):
    """Seconds that a bare client waits for one answer, half of the times."""
    connection = http.client.HTTPConnection(site.address, timeout=60)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        connection.request("GET", "/openai/v1/organization/projects", headers={"Authorization": f"Bearer {site.token}"})
        connection.getresponse().read()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


# Answers that wait for each other.
SMALL = [
    # The projects, and the keys of the only one.
    ("OpenAI", "demo-openai", 2),
    # The organisation; of its members a page and an empty one, and then of their keys.
    ("Braintrust", "demo-braintrust", 5),
    # The organisation, the keys, and the organisation once more.
    ("Den", "demo-den", 3),
]


def small(program, scratch):
    with Site(program, f"{scratch}/small", "--keys", "20", "--fault", "latency:50") as site:
        site.without_pace()
        run([program, "poll", "--config", site.config])
        one = answer(site)
        for name, account, answers in SMALL:
            cost = quickest([program, "poll", "--config", site.config, "--account", account], ROUNDS)
            yield f"{name}, a few keys, {answers} answers of 50 ms on the way, ms", cost.wall * 1e3, answers * one * 1e3, 1.1
            yield "    CPU, ms", cost.cpu * 1e3, 50, 1
        site.set("^schedule .*", 'schedule = "0 0 1 1 *"')
        with served(program, site.config, f"{scratch}/small-served"):
            for name, account, answers in SMALL:
                cost = quickest([program, "ctl", "--config", site.config, "poll", account], ROUNDS)
                yield f"{name}, a few keys, polled by the daemon, ms", cost.wall * 1e3, answers * one * 1e3, 1.1


def main():
    program, scratch = sys.argv[1:]
    print(f"{'':82} {'found':>8} {'least':>8} {'ratio':>6} {'goal':>5}")
    for part in (large, minimum.rows, small, beside.rows):
        for name, found, least, goal in part(program, scratch):
            print(f"{name:82} {found:8.1f} {least:8.1f} {found / least:6.2f} {goal:5.2f}", flush=True)


main()
