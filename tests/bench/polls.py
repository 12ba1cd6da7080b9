"""Polls of one OpenAI organisation by the daemon, beside the least that they could cost. Arguments: PROGRAM BARE SCRATCH KEYS.

Beside the first poll stands a client that parses the same pages and drops them, and a raw load of the rows that the poll left into
the same schema; beside the later ones that client alone.
"""

import json
import statistics
import sys
from pathlib import Path

from measure import median, run
from served import served
from simulated import Site

ROUNDS = 5
# One beat of the simulated life is three seconds, and stands for 52 uses.
USES_PER_SECOND = 52 / 3


def rows(costs, load):
    """The table: what was done, what it cost, and the CPU of what stands beside it."""
    discard, parse, first, again, few, many = (median(costs[name]) for name in costs)
    yield "a client that drops the pages", discard, parse.cpu
    yield "a client that parses them", parse, parse.cpu
    yield "first poll", first, parse.cpu + load
    yield "again, nothing changed", again, parse.cpu
    yield "again, one key in a hundred used", few, parse.cpu
    yield "again, one key in ten used", many, parse.cpu


def main():
    program, bare, scratch, keys = sys.argv[1:]
    keys, scratch = int(keys), Path(scratch)
    inventory, loaded = scratch / "inventory.db", scratch / "loaded.db"
    costs = {name: [] for name in ("discard", "parse", "first", "again", "few", "many")}
    loads = []
    with Site(program, scratch / "polls", "--keys", str(keys)) as site:
        site.without_pace()
        site.without_schedule()
        site.set('^path = "inventory.db"', f'path = "{inventory}"')
        for turn in range(ROUNDS):
            print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr)
            for file in [*scratch.glob("inventory.db*"), *scratch.glob("loaded.db*")]:
                file.unlink()
            for name in ("discard", "parse"):
                costs[name].append(run([bare, name, site.base_url, site.token])[1])
            with served(program, site.config, scratch / "polled") as daemon:
                costs["first"].append(daemon.poll("demo-openai"))
                costs["again"].append(daemon.poll("demo-openai"))
                # Who had left before the first poll is known by the third, and what that wrote into the log is in the file after the
                # fourth: the history of an inventory that is new.
                daemon.poll("demo-openai")
                daemon.poll("demo-openai")
                for name, share in (("few", 100), ("many", 10)):
                    site.live(round(keys / share / USES_PER_SECOND))
                    costs[name].append(daemon.poll("demo-openai"))
            loads.append(json.loads(run([bare, "load", str(inventory), str(loaded)])[0])["cpu"])
    print(f"{keys} OpenAI keys; medians of {ROUNDS}; CPU is user and system of that process alone, in steps of 10 ms for the daemon\n")
    print(f"{'':34} {'CPU s':>7} {'beside it':>9} {'ratio':>6} {'peak MiB':>9} {'written MB':>11}")
    for name, cost, beside in rows(costs, statistics.median(loads)):
        print(f"{name:34} {cost.cpu:7.2f} {beside:9.2f} {cost.cpu / beside:6.2f} {cost.peak:9.1f} {cost.written:11.2f}")


main()
