"""The script that one would write: httpx, one request at a time, into sqlite3. Arguments: BASE_URL TOKEN DATABASE."""

import sqlite3
import sys

import httpx

PROJECT = ["id", "name", "status", "created_at", "archived_at"]
KEY = ["id", "project_id", "name", "redacted_value", "created_at", "last_used_at", "expires_at", "owner_project_access"]
OWNER = ["owner_type", "owner_id", "owner_name", "owner_email"]


def items(client, path, **query):
    """All elements of a list."""
    while True:
        answer = client.get(path, params={"limit": 100, **query}).raise_for_status().json()
        yield from answer["data"]
        if not answer["has_more"]:
            return
        query["after"] = answer["data"][-1]["id"]


def store(connection, table, columns, rows):
    """One list, in one transaction."""
    with connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, {', '.join(columns[1:])})")
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({places}) ON CONFLICT (id) DO UPDATE SET {updates}", rows)


def key(item, project=None):
    """A key's row; its owner lies one level deeper in a project's list than in that of the admin keys."""
    owner = item["owner"]
    person = owner.get(owner["type"], owner)
    item = {**item, "project_id": project}
    return [item.get(field) for field in KEY] + [owner["type"], person["id"], person["name"], person.get("email")]


base, token, file = sys.argv[1:]
client = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"})
connection = sqlite3.connect(file)
projects = list(items(client, "/organization/projects", include_archived=True))
store(connection, "projects", PROJECT, ([project.get(field) for field in PROJECT] for project in projects))
for project in (project["id"] for project in projects):
    listed = items(client, f"/organization/projects/{project}/api_keys", owner_project_access="any")
    store(connection, "project_keys", KEY + OWNER, (key(item, project) for item in listed))
store(connection, "admin_keys", KEY + OWNER, map(key, items(client, "/organization/admin_api_keys")))
