//! How Braintrust writes keys, users and the rest: field names, order and nulls as its OpenAPI document has them.

use serde_json::{Value, json};

use crate::domain::Time;
use crate::sim::ids::Sort;
use crate::sim::json::{push_iso, push_tail};
use crate::sim::members::Binding;
use crate::sim::world::{Owner, Person, Role, World, index};

/// An API key: `sk-...` and its last four characters are all that is told of the secret.
pub(super) fn push_key(out: &mut String, world: &World, number: u32) {
    let Some(key) = world.key(number) else { return };
    push_head(out, world, number, "sk-...");
    let cast = world.braintrust.cast;
    if cast.is_none_or(|cast| cast.key_without_owner_fields != number) {
        let told = cast.is_none_or(|cast| cast.key_without_owner != number);
        let person = match key.owner {
            Owner::Person(person) => world.person(person).filter(|_| told).map(|p| (p, email(world, person))),
            Owner::Service(_) => None,
        };
        let (given, family) = person.map(|(p, _)| names(p)).unwrap_or_default();
        let email = person.and_then(|(_, email)| email);
        let id = person.map(|(p, _)| p.user_uuid.as_str());
        let known = |text: &'static str, value: Option<&str>, out: &mut String| {
            out.push_str(text);
            push_text(out, value);
        };
        known(r#","user_id":"#, id, out);
        known(r#","user_email":"#, email, out);
        known(r#","user_given_name":"#, person.map(|_| given), out);
        known(r#","user_family_name":"#, person.map(|_| family), out);
    }
    out.push_str(r#","org_id":"#);
    match world.binding(number) {
        Binding::Here => push_text(out, Some(&world.braintrust.organization_id)),
        Binding::Anywhere => push_text(out, None),
        Binding::Elsewhere => push_text(out, Some(&world.salt.uuid(Sort::BraintrustOrganization, 1))),
    }
    out.push('}');
}

/// Id, date, name and mask: what keys and service tokens have in common.
fn push_head(out: &mut String, world: &World, number: u32, mask: &str) {
    let Some(key) = world.key(number) else { return };
    out.push_str(r#"{"id":""#);
    world.push_key_id(out, number, key);
    out.push_str(r#"","created":"#);
    push_iso(out, Some(key.created), world.millis(number));
    out.push_str(r#","name":"#);
    out.push_str(world.names.get(index(key.name)).map_or("null", |name| &name.json));
    out.push_str(r#","preview_name":""#);
    out.push_str(mask);
    push_tail(out, world, number);
    out.push('"');
}

pub(super) fn push_service_token(out: &mut String, world: &World, number: u32) {
    push_head(out, world, number, "bt-st-...");
    let account = world.key(number).and_then(|key| match key.owner {
        Owner::Service(account) => world.braintrust.accounts.get(index(account)),
        Owner::Person(_) => None,
    });
    let told: [(&str, Option<&str>); 4] = [
        (r#","service_account_id":"#, account.map(|a| a.id.as_str())),
        (r#","service_account_email":"#, account.map(|a| a.email.as_str())),
        (r#","service_account_name":"#, account.map(|a| a.name.text.as_str())),
        (r#","org_id":"#, Some(&world.braintrust.organization_id)),
    ];
    for (field, value) in told {
        out.push_str(field);
        push_text(out, value);
    }
    out.push('}');
}

/// A member, by the number of the person.
pub(super) fn push_user(out: &mut String, world: &World, number: u32) {
    let Some(person) = world.person(number) else { return };
    let (given, family) = names(person);
    push_any_user(out, &person.user_uuid, Some((given, family)), email(world, number), Some(person.joined));
}

/// A service account, as the list of users shows it.
pub(super) fn push_account_user(out: &mut String, world: &World, number: u32) {
    let Some(account) = world.braintrust.accounts.get(index(number)) else { return };
    push_any_user(out, &account.id, Some((&account.name.text, "")), Some(&account.email), Some(world.founded));
}

fn push_any_user(out: &mut String, id: &str, name: Option<(&str, &str)>, email: Option<&str>, created: Option<Time>) {
    out.push_str(r#"{"id":"#);
    push_text(out, Some(id));
    for (field, value) in [
        (r#","given_name":"#, name.map(|(given, _)| given)),
        (r#","family_name":"#, name.map(|(_, family)| family).filter(|family| !family.is_empty())),
        (r#","email":"#, email),
        (r#","avatar_url":"#, None),
    ] {
        out.push_str(field);
        push_text(out, value);
    }
    out.push_str(r#","created":"#);
    push_iso(out, created, 0);
    out.push('}');
}

/// Given and family name.
pub(super) fn names(person: &Person) -> (&str, &str) {
    person.name.text.split_once(' ').unwrap_or((&person.name.text, ""))
}

/// The member's address, where there is one.
pub(super) fn email(world: &World, number: u32) -> Option<&str> {
    let without = world.braintrust.cast.is_some_and(|cast| cast.without_email == number);
    world.person(number).filter(|_| !without).map(|p| p.email.text.as_str())
}

fn push_text(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => out.push_str(&Value::from(text).to_string()),
        None => out.push_str("null"),
    }
}

fn iso(time: Time) -> Value {
    let mut text = String::new();
    push_iso(&mut text, Some(time), 0);
    Value::from(text.trim_matches('"'))
}

pub(super) fn organization(world: &World) -> Value {
    json!({"id": world.braintrust.organization_id, "name": world.name, "api_url": null, "is_universal_api": null,
        "is_dataplane_private": null, "proxy_url": null, "realtime_url": null, "created": iso(world.founded),
        "image_rendering_mode": null})
}

const OWNER_ROLE: u32 = 10;

/// The roles that every organisation has; they belong to none.
pub(super) fn roles(world: &World) -> Vec<Value> {
    let role = |(number, name): (u32, &str)| {
        json!({"id": world.salt.uuid(Sort::BraintrustOther, OWNER_ROLE + number), "org_id": null, "user_id": null, "name": name,
            "description": null, "created": null, "deleted_at": null, "member_permissions": null, "member_roles": null})
    };
    [(0, "Owner"), (1, "Engineer"), (2, "Viewer")].map(role).into()
}

/// Owners, who are so by group, and engineers, among them somebody whom the list of users leaves out. Leavers are in neither.
pub(super) fn groups(world: &World) -> Vec<Value> {
    let members = |owners: bool| {
        let roll = world.braintrust.roll.iter().filter_map(|number| world.member(*number));
        let ids = roll.filter(|p| (p.role != Role::Member) == owners).map(|p| p.user_uuid.as_str());
        ids.collect::<Vec<_>>()
    };
    let group = |number: u32, name: &str, ids: Vec<&str>| {
        json!({"id": world.salt.uuid(Sort::BraintrustOther, number), "org_id": world.braintrust.organization_id, "user_id": null,
            "created": iso(world.founded.plus(i64::from(number))), "name": name, "description": null, "deleted_at": null,
            "member_users": ids, "member_groups": []})
    };
    vec![group(1, "Engineers", members(false)), group(0, "Owners", members(true))]
}

/// Who may do what with the organisation: the owners' group, and the caller directly unless `direct` says otherwise.
pub(super) fn acls(world: &World, direct: bool) -> Vec<Value> {
    let acl = |number: u32, user: Option<&str>, group: Option<u32>, role: u32| {
        json!({"id": world.salt.uuid(Sort::BraintrustOther, number), "object_type": "organization",
            "object_id": world.braintrust.organization_id, "user_id": user,
            "group_id": group.map(|number| world.salt.uuid(Sort::BraintrustOther, number)), "permission": null,
            "restrict_object_type": null, "role_id": world.salt.uuid(Sort::BraintrustOther, OWNER_ROLE + role),
            "_object_org_id": world.braintrust.organization_id, "created": iso(world.founded.plus(i64::from(number)))})
    };
    let owner = world.person(0).map(|p| p.user_uuid.as_str()).filter(|_| direct);
    let owners = owner.map(|id| acl(22, Some(id), None, 0));
    owners.into_iter().chain([acl(21, None, Some(1), 1), acl(20, None, Some(0), 0)]).collect()
}
