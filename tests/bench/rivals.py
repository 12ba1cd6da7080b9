"""Polls of one OpenAI organisation by keymuster's daemon, by its one-shot command and by what one would run instead, in turns.
Arguments: PROGRAM SCRATCH KEYS [RIVAL …].

Without names all rivals are run but singer, of which each poll takes six seconds per thousand keys, a transaction a row.
"""

import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import median, run
from served import served
from simulated import Site

ROUNDS = 3
ACCOUNT = "demo-openai"
OURS, ONCE = "keymuster", "one-shot"
HERE = Path(__file__).resolve().parent / "rivals"

# Of each: the program, and the environments that it needs; its own Python is the first one's.
RIVALS = {
    "httpx": ("httpx_script.py", ["httpx_script"]),
    "openai": ("openai_sdk.py", ["openai_sdk"]),
    "dlt": ("dlt_rest.py", ["dlt_rest"]),
    "singer": ("singer/sync.py", ["singer/tap", "singer/target"]),
}

KEYS_OF_OURS = f"SELECT count(*) FROM keys WHERE account = '{ACCOUNT}' AND presence = 'present'"
# The list of admin keys has some of the projects' keys too.
KEYS_OF_RIVAL = "SELECT count(*) FROM (SELECT id FROM project_keys UNION SELECT id FROM admin_keys)"


def python(environments):
    """The Python of the first environment; all of them are made where they are not there yet."""
    paths = []
    for name in environments:
        made = subprocess.run([HERE / "install", name], stdout=subprocess.PIPE, text=True)
        if made.returncode:
            sys.exit(made.returncode)
        paths.append(made.stdout.strip())
    return paths[0]


def counted(name, file, statement, keys):
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    held = connection.execute(statement).fetchone()[0]
    connection.close()
    if held != keys:
        sys.exit(f"{name} holds {held} keys of {keys}")


def polled(name, command, statement, keys):
    """What the first poll cost, and another after it."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/inventory.db"
        arguments = [file if argument is None else argument for argument in command]
        costs = []
        for _ in range(2):
            costs.append(run(arguments, {"KEYMUSTER__INVENTORY__PATH": file}, folder)[1])
            counted(name, file, statement, keys)
        return costs


def served_polls(keymuster, config, keys):
    """The same of the daemon."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/inventory.db"
        costs = []
        with served(keymuster, config, f"{folder}/log", {"KEYMUSTER__INVENTORY__PATH": file}) as daemon:
            for _ in range(2):
                costs.append(daemon.poll(ACCOUNT))
                counted(OURS, file, KEYS_OF_OURS, keys)
        return costs


def programs(keymuster, site, rivals):
    """Commands, in which None stands for the database's file, and the statement that counts its keys."""
    found = {ONCE: ([keymuster, "poll", "--config", site.config, "--account", ACCOUNT], KEYS_OF_OURS)}
    for name in rivals:
        program, environments = RIVALS[name]
        found[name] = ([python(environments), HERE / program, site.base_url, site.token, None], KEYS_OF_RIVAL)
    return found


def main():
    keymuster, scratch, about, *rivals = sys.argv[1:]
    costs = {}
    with Site(keymuster, f"{scratch}/rivals", "--keys", about) as site:
        site.without_pace()
        site.without_schedule()
        keys = site.openai_keys()
        chosen = programs(keymuster, site, rivals or [name for name in RIVALS if name != "singer"])
        for turn in range(ROUNDS):
            print(f"round {turn + 1} of {ROUNDS}: {OURS}", file=sys.stderr)
            costs.setdefault(OURS, []).append(served_polls(keymuster, site.config, keys))
            for name, (command, statement) in chosen.items():
                print(f"round {turn + 1} of {ROUNDS}: {name}", file=sys.stderr)
                costs.setdefault(name, []).append(polled(name, command, statement, keys))
    print(f"{keys} OpenAI keys; medians of {ROUNDS}; seconds, MiB of the largest process, CPU as a multiple of the daemon's\n")
    print(f"{'':10} {'first wall':>10} {'CPU':>7} {'again wall':>11} {'CPU':>7} {'peak':>6} {'first CPU':>10} {'again CPU':>10}")
    medians = {name: [median(polls) for polls in zip(*rounds)] for name, rounds in costs.items()}
    our_first, our_again = medians[OURS]
    for name, (first, again) in medians.items():
        print(
            f"{name:10} {first.wall:10.2f} {first.cpu:7.2f} {again.wall:11.2f} {again.cpu:7.2f} {max(first.peak, again.peak):6.0f}"
            f" {first.cpu / our_first.cpu:10.1f} {again.cpu / our_again.cpu:10.1f}"
        )


main()
