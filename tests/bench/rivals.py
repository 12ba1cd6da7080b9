"""Times keymuster's poll beside what one would run instead, in turns. Arguments: KEYMUSTER CONFIG KEYS [RIVAL …].

CONFIG is what 'keymuster simulate --write-config' left, of a simulator that runs; KEYS is how many keys its OpenAI organisation
has. A rival reads that organisation alone, keymuster the two small ones as well, at the pace that CONFIG sets. Each poll of
singer takes six seconds per thousand keys, a transaction a row: name other rivals to leave it out."""

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROUNDS = 3
ACCOUNT = "demo-openai"
OURS = "keymuster"
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


def python(environments: list[str]) -> str:
    """The Python of the first environment; all of them are made where they are not there yet."""
    paths = []
    for name in environments:
        made = subprocess.run([HERE / "install", name], stdout=subprocess.PIPE, text=True)
        if made.returncode:
            sys.exit(made.returncode)
        paths.append(made.stdout.strip())
    return paths[0]


def measured(command: list, folder: str, environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds of the clock, seconds of CPU and MiB of the largest process, of the program and all its children."""
    with open(f"{folder}/said", "w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        # Not process.wait(): the usage is to be of this child alone.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{said.read()}\nended with {process.returncode}: {command[0]} {command[1]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def counted(name: str, file: str, statement: str, keys: int) -> None:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    held = connection.execute(statement).fetchone()[0]
    connection.close()
    if held != keys:
        sys.exit(f"{name} holds {held} keys of {keys}")


def polled(name: str, command: list, statement: str, keys: int) -> list[float]:
    """One first poll and another after it: wall and CPU of the first, of the second, and the peak of both."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/inventory.db"
        arguments = [file if argument is None else argument for argument in command]
        numbers, peaks = [], []
        for _ in range(2):
            wall, cpu, peak = measured(arguments, folder, {"KEYMUSTER__INVENTORY__PATH": file})
            numbers += [wall, cpu]
            peaks.append(peak)
            counted(name, file, statement, keys)
        return numbers + [max(peaks)]


def programs(keymuster: str, config: Path, rivals: list[str]) -> dict[str, tuple[list, str]]:
    """Commands, in which None stands for the database's file, and the statement that counts its keys."""
    account = tomllib.loads(config.read_text())["accounts"][ACCOUNT]
    token = (config.parent / account["credential_file"]).read_text().strip()
    found = {OURS: ([os.path.abspath(keymuster), "poll", "--config", config], KEYS_OF_OURS)}
    for name in rivals:
        program, environments = RIVALS[name]
        found[name] = ([python(environments), HERE / program, account["base_url"], token, None], KEYS_OF_RIVAL)
    return found


def main() -> None:
    keymuster, config, keys = sys.argv[1:4]
    chosen = programs(keymuster, Path(config).resolve(), sys.argv[4:] or list(RIVALS))
    rounds: dict[str, list[list[float]]] = {name: [] for name in chosen}
    for turn in range(ROUNDS):
        for name, (command, statement) in chosen.items():
            print(f"round {turn + 1} of {ROUNDS}: {name}", file=sys.stderr)
            rounds[name].append(polled(name, command, statement, int(keys)))
    medians = {name: [statistics.median(column) for column in zip(*lines)] for name, lines in rounds.items()}
    print(f"{keys} keys; medians of {ROUNDS}; seconds, MiB of the largest process, CPU as a multiple of {OURS}'s\n")
    print(f"{'':10} {'first wall':>10} {'CPU':>7} {'again wall':>11} {'CPU':>7} {'peak':>6} {'first CPU':>10} {'again CPU':>10}")
    _, first_of_ours, _, again_of_ours, _ = medians[OURS]
    for name, (first_wall, first, again_wall, again, peak) in medians.items():
        print(
            f"{name:10} {first_wall:10.2f} {first:7.2f} {again_wall:11.2f} {again:7.2f} {peak:6.0f}"
            f" {first / first_of_ours:10.1f} {again / again_of_ours:10.1f}"
        )


main()
