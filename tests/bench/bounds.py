"""Bounds that hold for a daemon of that many keys; it ends with 1 where one does not. Arguments: PROGRAM SCRATCH KEYS.

Scrapes are timed while two polls write, as a client on the same machine sees them. Memory is what the process held at most, from its
start over both polls, the scrapes and the pages; and then with files of all keys, each of which is made whole before it is sent.
"""

import statistics
import subprocess
import sys
import time

from served import asked, served
from simulated import Site

# Of 100,000 keys: milliseconds of 99 of 100 scrapes, and MiB.
SCRAPE, MEMORY, WITH_FILES = 50, 64, 160
PAUSE = 0.02
PAGES = ("/", "/keys", "/keys?q=staging", "/owners", "/accounts", "/changes", "/policy", "/api/v1/keys?limit=1000")
FILES = ("/keys.csv", "/keys.json")


def main():
    program, scratch, keys = sys.argv[1:]
    with Site(program, f"{scratch}/bounds", "--keys", keys) as site:
        site.without_pace()
        site.without_schedule()
        with served(program, site.config, f"{scratch}/bounded.log") as daemon:
            scrapes = []
            for _ in range(2):
                command = [program, "ctl", "--config", site.config, "poll", "demo-openai"]
                poll = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                while poll.poll() is None:
                    scrapes.append(asked(daemon.address, "/metrics")[1])
                    time.sleep(PAUSE)
                for page in PAGES:
                    asked(daemon.address, page)
            took, peak = statistics.quantiles(scrapes, n=100)[98], daemon.cost().peak
            for file in FILES:
                asked(daemon.address, file)
            with_files = daemon.cost().peak
    broken = 0
    for what, figure, bound, unit in (
        (f"99 % of {len(scrapes)} scrapes during polls", took, SCRAPE, "ms"),
        ("memory at most", peak, MEMORY, "MiB"),
        ("memory at most, with files of all keys", with_files, WITH_FILES, "MiB"),
    ):
        kept = figure <= bound
        broken += not kept
        print(f"{what:40} {figure:8.1f} {unit:4} of {bound}{'' if kept else ': broken'}")
    sys.exit(min(broken, 1))


main()
