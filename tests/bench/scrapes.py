"""Scrapes of the metrics, also while a poll writes, each beside a page that reads nothing. Arguments: PROGRAM SCRATCH KEYS.

Times are milliseconds until the last byte of an answer, as a client on the same machine sees them, which shares its cores with the
daemon and the simulated providers.
"""

import statistics
import subprocess
import sys
import time

from served import asked, served
from simulated import Site

PAUSE = 0.02
AT_REST = 200


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


def main():
    program, scratch, keys = sys.argv[1:]
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


main()
