//! Who is at Braintrust: the list of users, who one is oneself, and the exchange of a credential for a member's token.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::caller::{Asked, Who};
use super::paging::{Page, Place};
use super::quirks::{Quirk, Shape};
use super::{Answered, Question, answer, bad, error, list, not_found, records, typed};
use crate::sim::world::{World, index};

/// A person by number, or a service account: those have the numbers from the end.
pub(super) async fn users(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let scope = asked.scope(asked.caller()?);
    let account = |number: u32| {
        let world = asked.world(false);
        let shown = world.braintrust.cast.is_some_and(|cast| cast.listed_account == number);
        shown.then_some(Place { created: world.founded, neighbour: false, number: u32::MAX - number })
    };
    let mut users: Vec<Place> = Vec::new();
    for neighbour in scope.iter().copied() {
        let world = asked.world(neighbour);
        let listed = world.braintrust.roll.iter().copied().filter(|number| {
            let twice = neighbour && *number == 0 && scope.contains(&false);
            world.member(*number).is_some() && !twice && world.braintrust.cast.is_none_or(|cast| cast.unlisted != *number)
        });
        users.extend(listed.filter_map(|number| user_place(neighbour, world, number)));
        if !neighbour {
            users.extend((0u32..).zip(&world.braintrust.accounts).filter_map(|(number, _)| account(number)));
        }
    }
    let shown = |at: &Place| {
        let mut out = String::new();
        push_user(&mut out, &asked, at);
        serde_json::from_str::<Value>(&out).unwrap_or_default()
    };
    for (parameter, field) in [("ids", "id"), ("email", "email"), ("given_name", "given_name"), ("family_name", "family_name")] {
        if question.parameter(parameter).is_some() {
            users.retain(|at| question.wants(parameter, shown(at)[field].as_str().unwrap_or_default()));
        }
    }
    users.sort_unstable_by(|one, other| other.cmp(one));
    let find = |id: &str| {
        let person = asked.worlds().into_iter().find_map(|(neighbour, world)| {
            let number = world.people.iter().position(|p| p.user_uuid == id).and_then(|at| u32::try_from(at).ok())?;
            user_place(neighbour, world, number)
        });
        let accounts = &asked.world(false).braintrust.accounts;
        person.or_else(|| (0u32..).zip(accounts).find(|(_, a)| a.id == id).and_then(|(number, _)| account(number)))
    };
    let page = Page::of(&question)?.cut(&users, |at| *at, find)?;
    Ok(list(page, 220, |out, at| push_user(out, &asked, at)))
}

fn user_place(neighbour: bool, world: &World, number: u32) -> Option<Place> {
    world.person(number).map(|p| Place { created: p.joined, neighbour, number })
}

fn push_user(out: &mut String, asked: &Asked<'_>, at: &Place) {
    let world = asked.world(at.neighbour);
    match world.person(at.number) {
        Some(_) => records::push_user(out, world, at.number),
        None => records::push_account_user(out, world, u32::MAX - at.number),
    }
}

pub(super) async fn me_by_post(question: Question) -> Answered {
    if question.quirks.has(&Quirk::SelfByGet) {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return Err(response.into());
    }
    me(question).await
}

pub(super) async fn me(question: Question) -> Answered {
    let asked = Asked::of(&question);
    let caller = asked.caller()?;
    let (given, family, email) = match caller.who {
        Who::Person { neighbour, number } => {
            let world = asked.world(neighbour);
            let (given, family) = world.person(number).map(records::names).unwrap_or_default();
            (given, Some(family), records::email(world, number))
        }
        Who::Account(number) => {
            let account = asked.world(false).braintrust.accounts.get(index(number));
            (account.map_or("", |a| a.name.text.as_str()), None, account.map(|a| a.email.as_str()))
        }
    };
    let organizations = asked.scope(caller).into_iter().map(|n| {
        let world = asked.world(n);
        json!({"id": world.braintrust.organization_id, "name": world.name, "api_url": null})
    });
    let body = json!({"id": asked.id(caller.who), "email": email, "given_name": given, "family_name": family,
        "organizations": organizations.collect::<Vec<_>>()});
    Ok(answer(StatusCode::OK, body.to_string()))
}

/// Does not exist, unless a fault says how it answers: no source but an old article knows it.
pub(super) async fn impersonate(question: Question, body: Bytes) -> Answered {
    let shape = question.quirks.token_exchange().ok_or_else(not_found)?;
    let asked = Asked::of(&question);
    let wanted: Option<Value> = serde_json::from_slice(&body).ok();
    let user = wanted.as_ref().and_then(|value| value["user_id"].as_str());
    let (token, seconds) = asked.exchange(user.ok_or_else(|| bad("user_id is required"))?)?;
    Ok(match shape {
        Shape::Field(names) => {
            let value = names.iter().rev().fold(Value::from(token), |inner, name| json!({ name.as_str(): inner }));
            let mut body = json!({"expires_in": seconds});
            if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), value) {
                body.extend(fields);
            }
            answer(StatusCode::OK, body.to_string())
        }
        Shape::Bare => answer(StatusCode::OK, Value::from(token).to_string()),
        Shape::Text => typed(StatusCode::OK, "text/plain; charset=utf-8", token),
        Shape::Html => {
            let page = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>";
            typed(StatusCode::OK, "text/html; charset=utf-8", page.to_owned())
        }
    })
}
