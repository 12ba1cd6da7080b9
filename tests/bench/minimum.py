"""How many requests polls make, beside the least that each API allows, worked out from the truth of the simulated providers.

That least has the questions without which lists cannot be asked for, or not be trusted: which organisation it is, who the caller
is, which keys are the caller's own, and whom a header makes the provider take the caller for.
"""

import json
import urllib.parse
import urllib.request
from collections import Counter

from measure import run
from simulated import Site

GOAL = 1.02
PAGE = 100
# Names of the keys that the simulation itself signs in with.
OWN = ("keymuster", "laptop")


def paged(elements):
    """Pages of a list whose pages say whether there is another."""
    return max(1, -(-elements // PAGE))


def until_empty(elements):
    """Pages of a list that nothing but an empty page ends: a server may give less on a page than it was asked for."""
    return -(-elements // PAGE) + 1


def listed(site, token, path, field):
    """A list, asked without keymuster."""
    found, after = [], ""
    while True:
        ask = urllib.request.Request(f"http://{site.address}{path}{after}", headers={"Authorization": f"Bearer {token}"})
        page = json.load(urllib.request.urlopen(ask, timeout=60))
        found += page[field]
        if not page.get("has_more"):
            return found
        after = f"&after={page['last_id']}"


def openai(site):
    keys = site.truth("openai")
    homes = Counter(key["home"] for key in keys)
    admin = homes.pop("admin") + sum(key["leaked"] for key in keys)
    users = listed(site, site.token, "/openai/v1/organization/users?limit=100", "data")
    return (
        paged(len(homes))  # the projects: keys are listed by project
        + sum(paged(keys) for keys in homes.values())  # the keys of each
        + paged(admin)  # the list of admin keys, which shows some keys of projects too
        + paged(len(users))  # the users: addresses of owners, and who has left
    )


def den(_):
    return (
        1  # the session: when it ends
        + 1  # the organisation with its members: the answer with the keys does not say whose they are
        + 1  # the keys, all in one answer
    )


def braintrust(site):
    """Where one list has the keys of all; where each member's list is asked for."""
    account = site.account("demo-braintrust")
    secret, name = site.secret(account), urllib.parse.quote(account["options"]["org_name"])
    homes = Counter(key["home"] for key in site.truth("braintrust"))
    tokens = homes.pop("service_tokens")
    members = listed(site, secret, f"/braintrust/v1/user?org_name={name}", "objects")
    groups = listed(site, secret, f"/braintrust/v1/group?org_name={name}", "objects")
    first = (
        1  # who the caller is
        + 1  # the organisation: its id selects the list, and stands in keys
        + until_empty(len(members))  # the members: names of owners, and who has left
        + until_empty(len(groups))  # the groups: members whom that list lacks
        + until_empty(tokens)  # the service tokens, which are no member's
    )
    of_all = (
        until_empty(1)  # the caller's own keys, fewer than a page: the list can be trusted where it has them
        + until_empty(homes.total())  # the list
    )
    of_each = (
        1  # whom the header makes the provider take the caller for, once
        + sum(until_empty(homes[member["id"]]) for member in members)  # the list of each, the caller's too
    )
    return first + of_all, first + of_each


CASES = [
    ("OpenAI, 20,000 keys", "openai", ["--keys", "20000"], "auto", openai),
    ("Den", "den", ["--keys", "20000"], "auto", den),
    ("Braintrust, 1,000 members, one list", "braintrust", ["--members", "1000"], "organization", lambda site: braintrust(site)[0]),
    ("Braintrust, 1,000 members, a list each", "braintrust", ["--members", "1000"], "header", lambda site: braintrust(site)[1]),
]


def revoke_some(site, provider):
    """One key in a hundred."""
    kept = ("admin", "service_tokens")
    keys = [key for key in site.truth(provider) if key["home"] not in kept and not key["name"].startswith(OWN)]
    for key in keys[::100]:
        site.revoke(key)


def rows(program, scratch):
    """Of each poll: what it is, its requests, the least, and the goal for their ratio."""
    for number, (name, provider, size, listing, least) in enumerate(CASES):
        with Site(program, f"{scratch}/requests-{number}", *size) as site:
            site.without_pace()
            site.set('listing = "auto"', f'listing = "{listing}"')
            poll = [program, "poll", "--config", site.config, "--account", f"demo-{provider}"]
            for turn in ("first poll", "again, nothing changed", "again, one key in a hundred revoked"):
                if turn.endswith("revoked"):
                    revoke_some(site, provider)
                before, _ = site.requests(provider)
                run(poll)
                after, _ = site.requests(provider)
                yield f"{name}: {turn}", after - before, least(site), GOAL
