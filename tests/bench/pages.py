"""Pages over an inventory of many keys, each beside the plain SQL of the same rows. Arguments: PROGRAM SCRATCH KEYS.

The inventory is what a real poll of simulated providers leaves; the daemon then serves it on loopback. Times are medians in
milliseconds: until the first byte of an answer, until its last, and of the SQL alone (Python's sqlite3, rows fetched).
"""

import sqlite3
import statistics
import sys
import time

from measure import run
from served import asked, served
from simulated import Site

ROUNDS = 5
PAGE = 100

SHOWN = "FROM keys WHERE presence <> 'gone'"


def page(where="", order="account, key_id", offset=0):
    """Rows of a page of the table, and how many there are."""
    return [
        f"SELECT * {SHOWN} {where} ORDER BY {order} LIMIT {PAGE} OFFSET {offset}",
        f"SELECT count(*) {SHOWN} {where}",
    ]


def cases(owner, account):
    flagged = "conditions <> '' AND waived IS NOT conditions"
    return [
        ("overview", "/", [f"SELECT account, kind, conditions, waived, count(*) {SHOWN} GROUP BY 1, 2, 3, 4"]),
        ("keys, most urgent first", "/keys", page(order=f"({flagged}) DESC, expires_at IS NULL, expires_at")),
        ("keys by account", "/keys?sort=account", page()),
        ("keys by name", "/keys?sort=name", page(order="name")),
        ("keys by last use", "/keys?sort=last_used", page(order="last_used_at")),
        ("keys, the last page", f"/keys?sort=account&page={{last}}", page(offset="{offset}")),
        ("stale keys", "/keys?condition=stale", page("AND ',' || conditions || ',' LIKE '%,stale,%'")),
        ("keys of an account", f"/keys?account={account}", page(f"AND account = '{account}'")),
        ("keys of an owner", f"/keys?owner={owner}", page(f"AND owner_email = '{owner}'")),
        ("keys with a word", "/keys?q=staging", page("AND name LIKE '%staging%'")),
        ("owners", "/owners", [f"SELECT coalesce(owner_email, owner_id), conditions, waived, count(*) {SHOWN} GROUP BY 1, 2, 3"]),
        ("all keys as CSV", "/keys.csv", [f"SELECT * {SHOWN}"]),
    ]


def selected(connection, statements):
    """Milliseconds that the statements take, all rows fetched."""
    began = time.perf_counter()
    for statement in statements:
        for _ in connection.execute(statement):
            pass
    return (time.perf_counter() - began) * 1e3


def main():
    program, scratch, about = sys.argv[1:]
    with Site(program, f"{scratch}/pages", "--keys", about) as site:
        site.without_pace()
        run([program, "poll", "--config", site.config])
        site.without_schedule()
        with served(program, site.config, f"{scratch}/served") as daemon:
            compare(daemon.address, site.folder / "inventory.db")


def compare(address, file):
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    owner, account, keys = connection.execute(
        f"SELECT max(owner_email), max(account), (SELECT count(*) {SHOWN}) {SHOWN} AND account LIKE '%openai%'"
    ).fetchone()
    last = max(1, -(-keys // PAGE))
    print(f"{keys} keys; SQLite of the comparison {sqlite3.sqlite_version}; medians of {ROUNDS} in ms\n")
    print(f"{'':24} {'first byte':>11} {'whole':>9} {'plain SQL':>10} {'first byte / SQL':>17}")
    for name, path, statements in cases(owner, account):
        path = path.replace("{last}", str(last))
        statements = [statement.replace("{offset}", str((last - 1) * PAGE)) for statement in statements]
        firsts, lasts, plain = [], [], []
        # In turns, so that both see the same machine.
        for _ in range(ROUNDS):
            first, whole = asked(address, path)
            firsts.append(first)
            lasts.append(whole)
            plain.append(selected(connection, statements))
        first, whole, sql = (statistics.median(times) for times in (firsts, lasts, plain))
        print(f"{name:24} {first:11.1f} {whole:9.1f} {sql:10.1f} {first / sql:17.2f}")


main()
