"""The same script with OpenAI's own SDK, whose admin resources have all three lists. Arguments: BASE_URL TOKEN DATABASE."""

import sqlite3
import sys

from openai import OpenAI

PROJECT = ["id", "name", "status", "created_at", "archived_at"]
KEY = ["id", "name", "redacted_value", "created_at", "last_used_at", "expires_at", "owner_project_access"]
OWNER = ["project_id", "owner_type", "owner_id", "owner_name", "owner_email"]


def store(connection, table, columns, rows):
    """One list, in one transaction."""
    with connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, {', '.join(columns[1:])})")
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        places = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} VALUES ({places}) ON CONFLICT (id) DO UPDATE SET {updates}", rows)


def fields(item, names):
    # Some versions of the SDK do not name every field, but all of them keep it.
    return [getattr(item, name, None) for name in names]


def project_key(item, project):
    owner = item.owner
    person = owner.user if owner.type == "user" else owner.service_account
    return fields(item, KEY) + [project, owner.type, person.id, person.name, getattr(person, "email", None)]


def admin_key(item):
    return fields(item, KEY) + [None, item.owner.type, item.owner.id, item.owner.name, None]


base, token, file = sys.argv[1:]
organization = OpenAI(base_url=base, admin_api_key=token).admin.organization
connection = sqlite3.connect(file)
projects = list(organization.projects.list(limit=100, include_archived=True))
store(connection, "projects", PROJECT, (fields(project, PROJECT) for project in projects))
for project in (project.id for project in projects):
    listed = organization.projects.api_keys.list(project, limit=100, owner_project_access="any")
    store(connection, "project_keys", KEY + OWNER, (project_key(item, project) for item in listed))
store(connection, "admin_keys", KEY + OWNER, map(admin_key, organization.admin_api_keys.list(limit=100)))
