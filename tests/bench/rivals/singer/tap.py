"""A Singer tap for the keys of an OpenAI organisation, made with singer-sdk."""

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import JSONPathPaginator

PERSON = th.ObjectType(
    th.Property("id", th.StringType),
    th.Property("name", th.StringType),
    th.Property("email", th.StringType),
    th.Property("created_at", th.IntegerType),
    th.Property("role", th.StringType),
)
KEY = [
    th.Property("id", th.StringType, required=True),
    th.Property("object", th.StringType),
    th.Property("name", th.StringType),
    th.Property("redacted_value", th.StringType),
    th.Property("created_at", th.IntegerType),
    th.Property("last_used_at", th.IntegerType),
    th.Property("expires_at", th.IntegerType),
]


class LastId(JSONPathPaginator):
    """The next page begins after the id that this one names as its last."""

    def has_more(self, response):
        return response.json()["has_more"]


class List(RESTStream):
    """One of the organisation's lists."""

    records_jsonpath = "$.data[*]"
    primary_keys = ("id",)
    query = {}

    @property
    def url_base(self):
        return self.config["base_url"]

    @property
    def authenticator(self):
        return BearerTokenAuthenticator(token=self.config["token"])

    def get_new_paginator(self):
        return LastId("$.last_id")

    def get_url_params(self, context, next_page_token):
        after = {"after": next_page_token} if next_page_token else {}
        return {"limit": 100, **self.query, **after}


class Projects(List):
    """All projects, archived ones too."""

    name = "projects"
    path = "/organization/projects"
    query = {"include_archived": "true"}
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("object", th.StringType),
        th.Property("name", th.StringType),
        th.Property("status", th.StringType),
        th.Property("created_at", th.IntegerType),
        th.Property("archived_at", th.IntegerType),
        th.Property("external_key_id", th.StringType),
    ).to_dict()

    def get_child_context(self, record, context):
        return {"project_id": record["id"]}


class ProjectKeys(List):
    """The keys of one project."""

    name = "project_keys"
    path = "/organization/projects/{project_id}/api_keys"
    query = {"owner_project_access": "any"}
    parent_stream_type = Projects
    # One bookmark, not one a project.
    state_partitioning_keys = ()
    schema = th.PropertiesList(
        *KEY,
        th.Property("project_id", th.StringType),
        th.Property("owner_project_access", th.StringType),
        th.Property(
            "owner",
            th.ObjectType(
                th.Property("type", th.StringType),
                th.Property("user", PERSON),
                th.Property("service_account", PERSON),
            ),
        ),
    ).to_dict()

    def post_process(self, row, context=None):
        return {**row, **context}


class AdminKeys(List):
    """The organisation's admin keys."""

    name = "admin_keys"
    path = "/organization/admin_api_keys"
    schema = th.PropertiesList(
        *KEY,
        th.Property(
            "owner",
            th.ObjectType(
                th.Property("type", th.StringType),
                th.Property("object", th.StringType),
                th.Property("id", th.StringType),
                th.Property("name", th.StringType),
                th.Property("created_at", th.IntegerType),
                th.Property("role", th.StringType),
            ),
        ),
    ).to_dict()


class OpenAIKeys(Tap):
    """The three lists, read whole each time."""

    name = "tap-openai-keys"
    config_jsonschema = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("token", th.StringType, required=True, secret=True),
    ).to_dict()

    def discover_streams(self):
        return [Projects(self), ProjectKeys(self), AdminKeys(self)]


OpenAIKeys.cli()
