//! How OpenAI writes projects, keys and users: field names, order and nulls as its OpenAPI document has them.

use crate::domain::Time;
use crate::sim::json::{push_number, push_tail, push_unix};
use crate::sim::world::{Home, Key, Owner, Person, Project, Role, Service, World, index};

pub(super) fn push_project(out: &mut String, project: &Project) {
    out.push_str(r#"{"id":""#);
    out.push_str(&project.id);
    out.push_str(r#"","object":"organization.project","name":"#);
    out.push_str(&project.name.json);
    out.push_str(r#","created_at":"#);
    push_number(out, project.created.unix());
    out.push_str(r#","archived_at":"#);
    push_unix(out, project.archived);
    out.push_str(if project.archived.is_some() { r#","status":"archived""# } else { r#","status":"active""# });
    out.push_str(r#","external_key_id":null}"#);
}

pub(super) fn push_project_key(out: &mut String, world: &World, number: u32, key: &Key) {
    out.push_str(r#"{"object":"organization.project.api_key","redacted_value":""#);
    push_redacted(out, world, number, key);
    out.push_str(r#"","name":"#);
    push_name(out, world, key);
    out.push_str(r#","created_at":"#);
    push_number(out, key.created.unix());
    out.push_str(r#","last_used_at":"#);
    push_unix(out, key.last_used);
    out.push_str(r#","expires_at":"#);
    push_unix(out, key.expires);
    out.push_str(r#","id":""#);
    world.push_key_id(out, number, key);
    let access = if world.has_access(key) { "active" } else { "inactive" };
    out.push_str(r#"","owner_project_access":""#);
    out.push_str(access);
    match owner(world, key) {
        Some(Known::Person(person)) => {
            out.push_str(r#"","owner":{"type":"user","user":{"id":""#);
            out.push_str(&person.user_id);
            out.push_str(r#"","email":"#);
            out.push_str(&person.email.json);
            out.push_str(r#","name":"#);
            out.push_str(&person.name.json);
            push_since(out, person.joined, if person.role == Role::Owner { "owner" } else { "member" });
            out.push_str("}}}");
        }
        Some(Known::Service { id, name, created }) => {
            out.push_str(r#"","owner":{"type":"service_account","service_account":{"id":""#);
            out.push_str(id);
            out.push_str(r#"","name":"#);
            out.push_str(name);
            push_since(out, created, "member");
            out.push_str("}}}");
        }
        None => out.push_str(r#"","owner":{}}"#),
    }
}

/// The flat form, which leaked project keys get as well: wrong label, right mask, and no project.
pub(super) fn push_admin_key(out: &mut String, world: &World, number: u32) {
    let Some(key) = world.key(number) else { return };
    out.push_str(r#"{"object":"organization.admin_api_key","id":""#);
    world.push_key_id(out, number, key);
    out.push_str(r#"","name":"#);
    push_name(out, world, key);
    out.push_str(r#","redacted_value":""#);
    push_redacted(out, world, number, key);
    out.push_str(r#"","created_at":"#);
    push_number(out, key.created.unix());
    out.push_str(r#","expires_at":"#);
    push_unix(out, key.expires);
    out.push_str(r#","last_used_at":"#);
    push_unix(out, key.last_used);
    out.push_str(r#","owner":{"#);
    let (kind, id, name, created, role) = match owner(world, key) {
        Some(Known::Person(p)) => ("user", p.user_id.as_str(), p.name.json.as_str(), p.joined, "owner"),
        Some(Known::Service { id, name, created }) => ("service_account", id, name, created, "member"),
        None => return out.push_str("}}"),
    };
    for (field, value) in [("type", kind), ("object", "organization."), ("id", id)] {
        out.push_str(&format!("\"{field}\":\"{value}{}\",", if field == "object" { kind } else { "" }));
    }
    out.push_str(r#""name":"#);
    out.push_str(name);
    push_since(out, created, role);
    out.push_str("}}");
}

pub(super) fn push_user(out: &mut String, person: &Person) {
    out.push_str(r#"{"object":"organization.user","id":""#);
    out.push_str(&person.user_id);
    out.push_str(r#"","name":"#);
    out.push_str(&person.name.json);
    out.push_str(r#","email":"#);
    out.push_str(&person.email.json);
    out.push_str(if person.role == Role::Member { r#","role":"reader","added_at":"# } else { r#","role":"owner","added_at":"# });
    push_number(out, person.joined.unix());
    out.push_str(r#","is_service_account":false}"#);
}

fn push_since(out: &mut String, created: Time, role: &str) {
    out.push_str(r#","created_at":"#);
    push_number(out, created.unix());
    out.push_str(r#","role":""#);
    out.push_str(role);
    out.push('"');
}

enum Known<'a> {
    Person(&'a Person),
    Service { id: &'a str, name: &'a str, created: Time },
}

fn owner<'a>(world: &'a World, key: &Key) -> Option<Known<'a>> {
    match key.owner {
        Owner::Person(number) => world.person(number).map(Known::Person),
        Owner::Service(number) => world.services.get(index(number)).map(|service| Known::Service {
            id: &service.id,
            name: &service.name.json,
            created: service.created,
        }),
    }
}

fn push_name(out: &mut String, world: &World, key: &Key) {
    out.push_str(world.names.get(index(key.name)).map_or("null", |name| &name.json));
}

fn push_redacted(out: &mut String, world: &World, number: u32, key: &Key) {
    out.push_str(match (key.home, key.owner) {
        (Home::Admin, _) => "sk-admin-********************",
        (_, Owner::Service(_)) => "sk-svcacct-********************",
        (_, Owner::Person(_)) => "sk-proj-********************",
    });
    push_tail(out, world, number);
}

pub(super) fn push_service_account(out: &mut String, service: &Service) {
    out.push_str(r#"{"object":"organization.project.service_account","id":""#);
    out.push_str(&service.id);
    out.push_str(r#"","name":"#);
    out.push_str(&service.name.json);
    push_since(out, service.created, "member");
    out.push('}');
}
