"""What polls cost as there is more to poll, and whether the cost of one stays the same. Arguments: PROGRAM SCRATCH KEYS ACCOUNTS.

Curves, each by tens: keys of one OpenAI organisation up to KEYS; accounts up to ACCOUNTS, each an organisation of Den with a few keys,
of one process and of a daemon, which has them all at once; lists, each of a Braintrust member with three keys. Of each step stands what one more has cost since the step before: where that
stays the same, the curve is straight. In the first step that is the cost of a process that does nearly nothing too.
"""

import sys
from dataclasses import astuple

from dens import dens
from measure import median, run
from served import served
from simulated import Site

ROUNDS = 3
KEYS_OF_ACCOUNT = 10
MOST_LISTS = 10_000


def tens(first, last):
    while first <= last:
        yield first
        first *= 10


def polled(program, config, account=None):
    """What the first and the second poll cost, and the size of the file after them, in MB."""
    inventory = config.parent / "curve.db"
    command = [program, "poll", "--config", config, *(["--account", account] if account else [])]
    rounds = []
    for _ in range(ROUNDS):
        inventory.unlink(missing_ok=True)
        rounds.append([run(command, {"KEYMUSTER__INVENTORY__PATH": str(inventory)})[1] for _ in range(2)])
    return [median(polls) for polls in zip(*rounds)], inventory.stat().st_size / 1e6


def polled_by_daemon(program, config, log):
    """The same of a daemon that is told to poll all accounts of `dens`: its start is not counted."""
    inventory = config.parent / "dens.db"
    rounds = []
    for _ in range(ROUNDS):
        inventory.unlink(missing_ok=True)
        with served(program, config, log) as daemon:
            rounds.append([daemon.poll() for _ in range(2)])
    return [median(polls) for polls in zip(*rounds)], inventory.stat().st_size / 1e6


COLUMNS = [("wall s", "wall µs", 1e6), ("CPU s", "CPU µs", 1e6), ("peak MiB", "peak bytes", 1 << 20), ("written MB", "written bytes", 1e6)]


def curve(what, steps):
    """The table: what each step cost, and one more of it."""
    all_of_it, one_more = ("".join(f"{names[place]:>18}" for names in COLUMNS) for place in (0, 1))
    both = f"{'first':>9}{'again':>9}" * len(COLUMNS)
    print(f"\n{what:>9} |{all_of_it}{'file MB':>9} | one more:{one_more}{'file bytes':>12}")
    print(f"{'':9} |{both}{'':9} |{'':10}{both}")
    units = [unit for *_, unit in COLUMNS for _ in range(2)] + [1e6]
    fewer, before = 0, [0] * len(units)
    for number, (first, again), file in steps:
        costs = [cost for both in zip(astuple(first), astuple(again)) for cost in both] + [file]
        more = [(cost - then) * unit / (number - fewer) for cost, then, unit in zip(costs, before, units)]
        shown, of_one = ("".join(f"{figure:9.{digits}f}" for figure in row[:-1]) for row, digits in ((costs, 2), (more, 0)))
        print(f"{number:9} |{shown}{file:9.2f} |{'':10}{of_one}{more[-1]:12.0f}", flush=True)
        fewer, before = number, costs


def by_keys(program, scratch, most):
    for number in tens(1_000, most):
        with Site(program, f"{scratch}/keys-{number}", "--keys", str(number)) as site:
            site.without_pace()
            yield number, *polled(program, site.config, "demo-openai")


def by_accounts(program, scratch, most):
    with Site(program, f"{scratch}/accounts", "--keys", "10") as site:
        for number in tens(1, most):
            with dens(site, number, KEYS_OF_ACCOUNT) as config:
                yield number, *polled(program, config)


def by_accounts_of_daemon(program, scratch, most):
    with Site(program, f"{scratch}/daemon", "--keys", "10") as site:
        for number in tens(1, most):
            with dens(site, number, KEYS_OF_ACCOUNT) as config:
                yield number, *polled_by_daemon(program, config, f"{scratch}/daemon-served")


def by_lists(program, scratch, most):
    for number in tens(10, most):
        with Site(program, f"{scratch}/lists-{number}", "--members", str(number)) as site:
            site.without_pace()
            # A list for each member, not one for all.
            site.set('listing = "auto"', 'listing = "header"')
            yield number, *polled(program, site.config, "demo-braintrust")


def main():
    program, scratch, keys, accounts = sys.argv[1:]
    print(f"medians of {ROUNDS}; peaks are of the process, its program included")
    curve("keys", by_keys(program, scratch, int(keys)))
    curve("accounts", by_accounts(program, scratch, int(accounts)))
    print("\nthe same in a daemon")
    curve("accounts", by_accounts_of_daemon(program, scratch, int(accounts)))
    curve("lists", by_lists(program, scratch, MOST_LISTS))


main()
