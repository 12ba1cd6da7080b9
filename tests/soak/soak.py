"""A daemon that polls providers which fail, for minutes to hours. Arguments: PROGRAM SCRATCH MINUTES."""

import collections
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from growth import grown, quarters
from measure import memory
from served import served
from simulated import Site

# Each for a while, alone or two at once; what costs seconds on purpose is left to its own tests, and so is what nobody can notice,
# such as one answer of many that is about another organisation and does not say so.
FAULTS = [
    "http_500 every 3", "http_503 every 2", "status:502 every 4", "rate_limit:60", "rate_limit_seconds:120", "busy:1 every 5",
    "unauthorized every 7", "forbidden every 9", "not_found every 11", "html_200 every 6", "html_502 every 5", "redirect every 8",
    "gzip_bomb:70 every 20", "huge:40 every 30", "drop_connection every 6", "latency:50", "wrong_org",
    "no_has_more:openai every 4", "repeated_cursor:openai every 5", "repeated_page:openai every 5", "repeated_page:braintrust every 5",
    "empty_page_has_more every 6", "bad_item every 4", "duplicate_item", "missing_field:id every 9", "missing_field:last_used_at",
    "secret_name", "secret_fields", "cut_body every 7", "cut_json every 8", "gzip", "clock_skew:7200 every 3",
    "header_dropped:braintrust every 3", "impersonation_refused:braintrust every 4", "organization_list:braintrust:missing",
    "key_made:braintrust every 50", "page_cap:braintrust:7", "overlapping_pages:braintrust", "wrong_owner:braintrust every 6",
]
FAULTY = 20
# Long enough for what was learnt of a provider's pace to be unlearnt.
QUIET = 300
PAGES = ["/metrics", "/", "/keys", "/owners", "/changes", "/accounts", "/api/v1/keys?limit=50", "/readyz"]


def get(daemon, path):
    with urllib.request.urlopen(f"http://{daemon.address}{path}", timeout=60) as answer:
        return answer.read()


def sample(daemon, inventory):
    log = Path(f"{inventory}-wal")
    _, own, peak = memory(daemon.pid)
    return own, len(os.listdir(f"/proc/{daemon.pid}/fd")), log.stat().st_size / 2**20 if log.exists() else 0.0, peak


def truth(site):
    """The keys that the providers have, and of those the ids that they list."""
    keys = json.load(urllib.request.urlopen(f"http://{site.address}/_sim/truth", timeout=60))
    return {key["id"] for key in keys}, {key["id"] for key in keys if key["listed"] or key.get("leaked")}


def disagreements(site, inventory, ever):
    """Keys of which the inventory says something else than the providers."""
    known, there = truth(site)
    connection = sqlite3.connect(f"file:{inventory}?mode=ro", uri=True)
    said = dict(connection.execute("SELECT key_id, presence FROM keys"))
    connection.close()
    wrong = [f"{key} is there, and said to be {said.get(key, 'unheard of')}" for key in there if said.get(key) != "present"]
    wrong += [f"{key} is not there, and said to be present" for key, presence in said.items() if presence == "present" and key not in there]
    return wrong + [f"nobody ever had {key}" for key in said if key not in known | ever]


def ack(program, config):
    """A person looks at what is held, and takes it for right."""
    for account in ("demo-openai", "demo-braintrust", "demo-den"):
        subprocess.run([program, "ctl", "--config", config, "ack", account, "--why", "the soak is over"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def polled_whole(program, config):
    """Whether all accounts were read whole, and nothing is held, by one of some polls."""
    command = [program, "ctl", "--config", config, "poll"]
    return any(subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0 for _ in range(10))


def main():
    program, scratch, minutes = os.path.abspath(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    chance = random.Random(1)
    with Site(program, f"{scratch}/soak", "--keys", "1500") as site:
        site.without_pace()
        site.set("^schedule .*", 'schedule = "*/5 * * * * *"\npoll_deadline = "2m"')
        site.set("^confirm_after .*", 'confirm_after = "20s"')
        inventory = site.folder / "inventory.db"
        log = f"{scratch}/log"
        with served(program, site.config, log) as daemon:
            began = time.monotonic()
            ends, next_fault, samples, asked, ever = began + 60 * minutes, 0.0, [], 0, set()
            while (now := time.monotonic()) < ends - QUIET:
                if now >= next_fault:
                    site.faults(*chance.sample(FAULTS, chance.choice([0, 1, 1, 1, 2])))
                    next_fault = now + FAULTY
                    print(f"\r{(now - began) / 60:5.1f} of {minutes} minutes", end="", file=sys.stderr, flush=True)
                site.live(60)
                ever |= truth(site)[0]
                for path in PAGES:
                    get(daemon, path)
                    asked += 1
                samples.append(sample(daemon, inventory))
                time.sleep(1)
            site.faults()
            # What waits because of a fault is not what a person would take for right.
            time.sleep(30)
            while time.monotonic() < ends:
                ack(program, site.config)
                time.sleep(5)
            whole = polled_whole(program, site.config)
            wrong = disagreements(site, inventory, ever) if whole else ["no poll of all accounts was whole, without faults"]
    report(samples, asked, wrong, Path(log).read_text())


def report(samples, asked, wrong, log):
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    polls = collections.Counter(event.get("reason", "ok") for event in events if event["message"].startswith("polled"))
    own, descriptors, wal, peak = zip(*samples)
    numbers = {"memory": own, "descriptors": descriptors, "the log of the database": wal}
    then, last = quarters(own)
    bugs = [event for event in events if "bug of keymuster" in event["message"]]
    print(f"\r{len(samples)} samples, {asked} pages and scrapes, {sum(polls.values())} polls: {dict(polls.most_common())}")
    print(f"memory of its own: {then:.1f} MiB in the third quarter, {last:.1f} in the last; its peak, with the program, {max(peak):.1f}")
    for name, unit in (("descriptors", ""), ("the log of the database", " MiB")):
        then, last = quarters(numbers[name])
        print(f"{name}: {then:.1f}{unit} in the third quarter, {last:.1f}{unit} in the last, {max(numbers[name]):.1f}{unit} at most")
    print(f"disagreements with the truth: {len(wrong)}; bugs in the log: {len(bugs)}")
    failed = [*wrong[:20], *map(str, bugs[:5]), *grown(numbers)]
    if max(wal) > 64:
        failed.append("the log of the database is large")
    if failed:
        sys.exit("\n".join(failed))


main()
