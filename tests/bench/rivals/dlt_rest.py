"""dlt with its REST API source, merged on the id into SQLite. Arguments: BASE_URL TOKEN DATABASE.

What dlt keeps between two runs lies beside the database."""

import os
import sys
import warnings

# Read when dlt is imported: no report to its makers.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.rest_api import rest_api_source
from sqlalchemy.exc import SAWarning

# SQLAlchemy's, of a statement that is dlt's own.
warnings.filterwarnings("ignore", category=SAWarning)

base, token, file = sys.argv[1:]
file = os.path.abspath(file)


def resource(name, path, query, **more):
    return {"name": name, "endpoint": {"path": path, "params": {"limit": 100, **query}}, **more}


def nullable(kind, *names):
    """Columns that may have no value in any row, so that dlt cannot tell their type."""
    return {name: {"data_type": kind, "nullable": True} for name in names}


source = rest_api_source(
    {
        "client": {
            "base_url": base,
            "auth": {"type": "bearer", "token": token},
            "paginator": {"type": "cursor", "cursor_path": "last_id", "cursor_param": "after", "has_more_path": "has_more"},
        },
        "resource_defaults": {
            "primary_key": "id",
            # Old rows are deleted for new ones: dlt offers no upsert for SQLite.
            "write_disposition": "merge",
            "endpoint": {"data_selector": "data"},
        },
        "resources": [
            resource(
                "projects",
                "organization/projects",
                {"include_archived": "true"},
                columns=nullable("bigint", "archived_at") | nullable("text", "external_key_id"),
            ),
            resource(
                "project_keys",
                "organization/projects/{resources.projects.id}/api_keys",
                {"owner_project_access": "any"},
                include_from_parent=["id"],
                columns=nullable("bigint", "last_used_at", "expires_at"),
            ),
            resource(
                "admin_keys",
                "organization/admin_api_keys",
                {},
                columns=nullable("bigint", "last_used_at", "expires_at"),
            ),
        ],
    }
)
pipeline = dlt.pipeline(
    "openai_keys",
    pipelines_dir=f"{file}.dlt",
    # Without an index on the ids, the second merge of 100,000 keys is not done after eight minutes: each row with each.
    destination=dlt.destinations.sqlalchemy(f"sqlite:///{file}", create_primary_keys=True),
    # SQLite's own name of the one database in the file.
    dataset_name="main",
)
pipeline.run(source).raise_on_failed_jobs()
