//! The OpenAPI document, made of the declarations that requests are read by.

use serde_json::{Map, Value, json};

use super::asked::{FEW, MOST, Parameter};
use super::endpoints::{self, Endpoint, Item};
use super::problem;
use super::schema::text;
use crate::domain::{Condition, KeyKind, Presence};
use crate::views::{meaning, provider_ids};
use crate::web::query::{Name, SORTS};

/// All of it.
pub(super) fn document() -> Value {
    let paths: Map<String, Value> =
        endpoints::ALL.iter().map(|endpoint| (endpoint.path.to_owned(), json!({ "get": operation(endpoint) }))).collect();
    let items = endpoints::ALL.iter().map(|endpoint| (endpoint.item.name.to_owned(), item(endpoint.item)));
    let mut schemas: Map<String, Value> = items.collect();
    schemas.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "keymuster",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "The inventory of API keys, to read. Fields are the columns of the public views of the SQLite file. Every \
                            answer says as of when it is told, since when everything was read, and how many lists cannot be seen: \
                            that a key is not in an answer says nothing where it could not be seen.",
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "password": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "password": { "type": "http", "scheme": "basic", "description": "Where the listener asks for one." },
            },
            "responses": {
                "NotModified": { "description": "Nothing changed since the answer whose ETag was sent as If-None-Match.", "headers": etag() },
                "BadRequest": refusal("A parameter or its value is none of those that may be asked for; the sentence names it."),
                "NotFound": refusal("There is nothing of that name."),
                "Unavailable": refusal("The inventory cannot be read."),
                "Unauthorized": plain("The listener asks for a name and a password."),
                "Misdirected": plain("The request names a host that is not served here."),
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = endpoint.parameters.iter().map(|taken| parameter(*taken)).collect();
    if endpoint.single {
        for (name, told) in [("account", "The name in the config."), ("key_id", "The provider's id of the key.")] {
            let schema = json!({ "type": "string", "minLength": 1 });
            parameters.push(json!({ "name": name, "in": "path", "required": true, "description": told, "schema": schema }));
        }
    }
    let refused = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": endpoint.summary,
                "headers": etag(),
                "content": { "application/json": { "schema": answer(endpoint) } },
            },
            "304": refused("NotModified"),
            "400": refused("BadRequest"),
            "401": refused("Unauthorized"),
            "404": refused("NotFound"),
            "421": refused("Misdirected"),
            "503": refused("Unavailable"),
        },
    })
}

fn parameter(taken: Parameter) -> Value {
    let (schema, told) = schema(taken);
    let schema = if taken.takes_several() { json!({ "type": "array", "items": schema }) } else { schema };
    json!({ "name": taken.as_str(), "in": "query", "description": told, "schema": schema })
}

/// Of one value, and what it is about.
fn schema(taken: Parameter) -> (Value, &'static str) {
    let words = |words: Vec<&str>| json!({ "type": "string", "enum": words });
    let yes_no = || words(vec!["yes", "no"]);
    match taken {
        Parameter::Filter(name) => match name {
            Name::Text => (text(), "Found in the id, name, hint, list or owner of a key, letter case aside."),
            Name::Provider => (words(provider_ids().collect()), "Any of these providers."),
            Name::Account => (text(), "Any of these accounts, by their names in the config."),
            Name::Kind => (words(KeyKind::ALL.iter().map(|word| word.as_str()).collect()), "Any of these kinds."),
            Name::Owner => (text(), "The owner's id, name or e-mail address, letter case aside."),
            Name::Team => (text(), "Any of these teams, by the label `team`."),
            Name::Condition => (words(Condition::ALL.iter().map(|word| word.as_str()).collect()), "In any of these conditions."),
            Name::Presence => (words(Presence::ALL.iter().map(|word| word.as_str()).collect()), "In any of these presences."),
            Name::Flagged => (yes_no(), "In any condition, or in none."),
            Name::Waived => (yes_no(), "With conditions that a waiver accepts, or not."),
            Name::Held => (yes_no(), "Whose disappearance waits for a person, or not."),
            Name::Created => (
                when(&["not_reported"]),
                "Made on that day, from one to another, both included, or at an unreported time; instants instead of days too.",
            ),
            Name::LastUsed => (when(&["never", "not_reported"]), "Likewise by the last use."),
            Name::Expires => (when(&["never", "not_reported"]), "Likewise by the expiry."),
            Name::Sort => {
                let ways = SORTS.iter().flat_map(|(word, _)| [(*word).to_owned(), format!("-{word}")]);
                let schema = json!({ "type": "string", "enum": ways.collect::<Vec<_>>(), "default": "urgency" });
                (schema, "The order; with a minus sign the other way round.")
            }
            Name::AsOf => (json!(false), "The API tells of now."),
            Name::Whose => (json!(false), "Owners are told apart by `owner`."),
            Name::Page => (json!(false), "Pages are reached by `cursor`."),
        },
        Parameter::Since => (json!({ "type": "string", "format": "date-time" }), "Seen at that instant or later."),
        Parameter::After => (
            json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": i64::MAX }),
            "Only lines of a greater `change_id`.",
        ),
        Parameter::Limit => {
            (json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": FEW }), "At most so many items on a page.")
        }
        Parameter::Cursor => (
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+$" }),
            "`next` of the page before, with the same filter and order; nothing else is taken.",
        ),
    }
}

/// A stretch of time, or one of the words.
fn when(words: &[&str]) -> Value {
    const AT: &str = r"20[2-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?";
    let pattern = format!(r"^({words}|{AT}|{AT}\.\.|\.\.{AT}|{AT}\.\.{AT})$", words = words.join("|"));
    json!({ "type": "string", "pattern": pattern, "examples": ["2026-12-01..2026-12-31"] })
}

fn answer(endpoint: &Endpoint) -> Value {
    let item = json!({ "$ref": format!("#/components/schemas/{}", endpoint.item.name) });
    let mut fields = json!({
        "as_of": { "type": "string", "format": "date-time", "description": "When this was told; it holds at that instant." },
        "read_whole_since": {
            "type": ["string", "null"], "format": "date-time",
            "description": "Everything was read since then, the oldest list of all accounts; null until it was.",
        },
        "unseen": { "type": "integer", "minimum": 0, "description": "Lists that cannot be read completely; /api/v1/scopes names them." },
    });
    if endpoint.single {
        fields["item"] = item;
    } else {
        fields["items"] = json!({ "type": "array", "items": item, "maxItems": MOST });
        fields["next"] = json!({ "type": ["string", "null"], "description": "The `cursor` of the next page; null on the last." });
    }
    object(fields)
}

fn item(item: Item) -> Value {
    let field = |column: &super::schema::Column| {
        let told = meaning(item.view, column.name).unwrap_or_else(|| of_owners(column.name).to_owned());
        (column.name.to_owned(), column.schema(&told))
    };
    object(Value::Object(item.columns.iter().map(field).collect()))
}

/// What no view has.
fn of_owners(column: &str) -> &'static str {
    match column {
        "owner_kind" | "owner_name" | "owner_email" => {
            "who it is, as the first account tells; null where not reported, and of all keys without a reported owner"
        }
        "owner_ids" => "the provider's ids, each behind its account and a slash, comma-separated",
        "accounts" => "in which accounts, comma-separated",
        "keys" => "how many keys of those that were asked for",
        "flagged" => "those in a condition that is not waived, each once",
        "waived" => "those in a condition that a waiver accepts",
        _ => "those in that condition, not waived",
    }
}

fn problem_schema() -> Value {
    object(json!({
        "title": { "type": "string", "description": "What sort of problem it is." },
        "status": { "type": "integer", "description": "The status of the answer." },
        "detail": { "type": "string", "description": "A sentence for whoever sent the request." },
    }))
}

/// An object with these fields, all of them and no others.
fn object(fields: Value) -> Value {
    let names: Vec<&String> = fields.as_object().into_iter().flat_map(Map::keys).collect();
    let names = json!(names);
    json!({ "type": "object", "properties": fields, "required": names, "additionalProperties": false })
}

fn etag() -> Value {
    let told = "Another whenever something was written, or a condition began or ended; for If-None-Match.";
    json!({ "ETag": { "description": told, "schema": { "type": "string" } } })
}

fn refusal(told: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": told, "content": { problem::CONTENT_TYPE: { "schema": schema } } })
}

fn plain(told: &str) -> Value {
    json!({ "description": told, "content": { "text/plain": { "schema": { "type": "string" } } } })
}
