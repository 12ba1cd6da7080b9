"""Scrapes of the metrics, also while a poll writes, each beside a page that reads nothing; and with series of single keys, beside
their text written by hand. Arguments: PROGRAM BARE SCRATCH KEYS.

Times are milliseconds until the last byte of an answer, as a client on the same machine sees them, which shares its cores with the
daemon and the simulated providers.
"""

import json
import statistics
import subprocess
import sys
import time

from measure import run
from served import asked, served
from simulated import Site

PAUSE = 0.02
AT_REST = 200
# Keys that have series of their own, and scrapes of those.
SERIES, SCRAPES = 10_000, 40


def whole(address, path):
    return asked(address, path)[1]


def during(address, goes_on):
    """The times of scrapes and of the page beside them, in turns, as long as that goes on."""
    scrapes, beside = [], []
    while goes_on(len(scrapes)):
        scrapes.append(whole(address, "/metrics"))
        beside.append(whole(address, "/healthz"))
        time.sleep(PAUSE)
    return scrapes, beside


def row(name, scrapes, beside):
    def told(times):
        return statistics.median(times), statistics.quantiles(times, n=100)[98]

    (half, most), (half_beside, most_beside) = told(scrapes), told(beside)
    print(f"{name:24} {len(scrapes):8} {half:8.2f} {most:8.2f} {max(scrapes):8.2f} {half_beside:12.2f} {most_beside:8.2f}")


def cpu(program, site, log, series):
    """Milliseconds of CPU that a scrape costs a daemon that tells of so many keys, and how many it told of."""
    settings = {"KEYMUSTER__METRICS__PER_KEY": "flagged", "KEYMUSTER__METRICS__PER_KEY_LIMIT": str(series)}
    with served(program, site.config, log, settings if series else None) as daemon:
        whole(daemon.address, "/metrics")
        before = daemon.cost()
        for _ in range(SCRAPES):
            whole(daemon.address, "/metrics")
        after = daemon.cost()
        told = daemon.text("/metrics").count("\nkeymuster_key_info{")
    return (after.cpu - before.cpu) / SCRAPES * 1000, told, after.peak


def main():
    program, bare, scratch, keys = sys.argv[1:]
    with Site(program, f"{scratch}/scrapes", "--keys", keys) as site:
        site.without_pace()
        site.without_schedule()
        print(f"{keys} keys; milliseconds\n")
        print(f"{'scrapes':24} {'number':>8} {'median':>8} {'99 %':>8} {'most':>8} {'/healthz':>12} {'99 %':>8}")
        with served(program, site.config, f"{scratch}/scraped") as daemon:
            whole(daemon.address, "/metrics")
            for name in ("during the first poll", "during the second"):
                command = [program, "ctl", "--config", site.config, "poll", "demo-openai"]
                poll = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                row(name, *during(daemon.address, lambda _, poll=poll: poll.poll() is None))
            row("nothing written", *during(daemon.address, lambda times: times < AT_REST))
        without, _, _ = cpu(program, site, f"{scratch}/without", 0)
        total, told, peak = cpu(program, site, f"{scratch}/single", SERIES)
        by_hand = json.loads(run([bare, "encode", f"{site.folder}/inventory.db", str(told)])[0])["cpu"] * 1000
        print(f"\n{told} keys with series of their own: {total - without:.1f} ms of CPU more a scrape, {peak:.0f} MiB at most")
        print(f"their text written by hand: {by_hand:.1f} ms; ratio {(total - without) / by_hand:.2f}")


main()
