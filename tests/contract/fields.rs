//! What each known field of each record may be, and what is read then: exactly that, or the element is refused. Written from
//! the providers' documents, not from the adapters.

use keymuster::domain::{
    Hint, ItemReason, KeyFacts, KeyKind, Moment, Owner, OwnerAccess, OwnerKind, Person, RemoteId, Text, Time,
};
use keymuster::providers::{Fetch, Item};
use serde_json::{Value, json};

use crate::reading::{Element, for_each_element};

const SECONDS: i64 = 1_700_000_000;
const ISO: &str = "2023-11-14T22:13:20.900Z";
const OTHER: &str = "another";
const MASK: &str = "sk-...abc";

/// The only type of JSON that a field takes, and what is tried of it.
#[derive(Clone, Copy)]
enum Takes {
    /// Text, such as this.
    Words(&'static str),
    Flag,
    Seconds,
    Object,
}

use Takes::{Flag, Object, Seconds, Words};

/// What stands in the field now.
enum Given<'a> {
    Absent,
    Null,
    Here(&'a Value),
}

impl Given<'_> {
    fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    fn words(&self) -> Option<&str> {
        match self {
            Self::Here(value) => value.as_str(),
            Self::Absent | Self::Null => None,
        }
    }

    fn text(&self) -> Option<Text> {
        self.words().map(Text::clean)
    }

    fn id(&self) -> Option<RemoteId> {
        self.words().and_then(RemoteId::new)
    }

    /// Absent is *not reported*, null is *never*.
    fn moment(&self) -> Moment {
        match self {
            Self::Absent => Moment::NotReported,
            Self::Null => Moment::Never,
            Self::Here(_) => Moment::At(Time::from_unix(SECONDS)),
        }
    }
}

/// The known fields of a record, by their places, and how each is read into what the sample gave: `None` is malformed.
struct Record {
    fields: &'static [(&'static str, Takes)],
    reads: fn(&str, &Given, &Value, Item) -> Option<Item>,
}

const OPENAI_KEY: Record = Record {
    fields: &[
        ("/id", Words(OTHER)),
        ("/redacted_value", Words(MASK)),
        ("/name", Words(OTHER)),
        ("/created_at", Seconds),
        ("/last_used_at", Seconds),
        ("/expires_at", Seconds),
        ("/owner", Object),
        ("/owner_project_access", Words("inactive")),
        ("/owner/type", Words(OTHER)),
        ("/owner/id", Words(OTHER)),
        ("/owner/name", Words(OTHER)),
        ("/owner/email", Words(OTHER)),
        ("/owner/user", Object),
        ("/owner/user/id", Words(OTHER)),
        ("/owner/user/name", Words(OTHER)),
        ("/owner/user/email", Words(OTHER)),
        ("/owner/service_account", Object),
        ("/owner/service_account/id", Words(OTHER)),
        ("/owner/service_account/name", Words(OTHER)),
        ("/owner/service_account/email", Words(OTHER)),
    ],
    reads: |at, given, raw, item| {
        let Item::Key(mut key) = item else { return None };
        let owned = &raw["owner"];
        let nested = owned.get("user").or(owned.get("service_account")).is_some();
        match at {
            "/id" => key.id = given.id()?,
            "/redacted_value" => {
                key.hint = Hint::new(given.words()?);
                if key.kind != KeyKind::Project {
                    key.kind = KeyKind::Unattributed;
                }
            }
            "/name" => key.name = given.text(),
            "/created_at" => key.created_at = Some(given.moment().at()?),
            "/last_used_at" => key.last_used = given.moment(),
            "/expires_at" => key.expires = given.moment(),
            "/owner_project_access" => key.owner_access = given.words().map(|_| OwnerAccess::Inactive),
            // Without its parts nobody is named.
            "/owner" => key.owner = None,
            "/owner/type" if nested && given.is_here() => key.owner = None,
            "/owner/type" if nested => {}
            "/owner/type" => key.owner.iter_mut().for_each(|owner| owner.kind = OwnerKind::Other),
            "/owner/id" | "/owner/name" | "/owner/email" if nested => {}
            "/owner/id" if key.owner.is_none() => {
                key.owner = given.id().map(|id| Owner { kind: OwnerKind::Other, id, name: None, email: None });
            }
            "/owner/user" | "/owner/service_account" => {
                // An object without an id names nobody.
                if given.is_here() {
                    return None;
                }
                if nested && owned["type"] == at["/owner/".len()..] {
                    key.owner = None;
                }
            }
            _ => return in_owner(at, given, key),
        }
        Some(Item::Key(key))
    },
};

/// Id, name and mail of an owner who is named.
fn in_owner(at: &str, given: &Given, mut key: Box<KeyFacts>) -> Option<Item> {
    let is_id = at.ends_with("/id") || at.ends_with("/userId");
    if is_id && !given.is_here() {
        if at != "/owner/id" {
            return None;
        }
        key.owner = None;
    }
    if let Some(owner) = &mut key.owner {
        match at.rsplit('/').next() {
            Some("id" | "userId") => owner.id = given.id()?,
            Some("name") => owner.name = given.text(),
            Some("email") => owner.email = given.text(),
            _ => panic!("{at} is read by nobody"),
        }
    }
    Some(Item::Key(key))
}

const OPENAI_PROJECT: Record = Record {
    fields: &[("/id", Words(OTHER)), ("/name", Words(OTHER)), ("/status", Words("suspended")), ("/archived_at", Seconds)],
    reads: |at, given, raw, item| {
        let Item::Project(mut project) = item else { return None };
        match at {
            "/id" => project.id = given.id()?,
            "/name" => project.name = given.text(),
            // A word that is not known is not "archived".
            "/status" => project.archived = !given.is_here() && raw["archived_at"].is_i64(),
            _ if raw["status"].is_string() => {}
            _ => project.archived = given.is_here(),
        }
        Some(Item::Project(project))
    },
};

const OPENAI_USER: Record = Record {
    fields: &[("/id", Words(OTHER)), ("/name", Words(OTHER)), ("/email", Words(OTHER)), ("/is_service_account", Flag)],
    reads: |at, given, _, item| {
        let Item::Person(mut person) = item else { return None };
        match at {
            "/id" => person.id = given.id()?,
            "/name" => person.name = given.text(),
            "/email" => person.email = given.text(),
            _ => {
                let is_service = matches!(given, Given::Here(Value::Bool(true)));
                person.kind = if is_service { OwnerKind::ServiceAccount } else { OwnerKind::User };
            }
        }
        Some(Item::Person(person))
    },
};

const BRAINTRUST_KEY: Record = Record {
    fields: &[
        ("/id", Words(OTHER)),
        ("/name", Words(OTHER)),
        ("/preview_name", Words(MASK)),
        ("/created", Words(ISO)),
        ("/user_id", Words(OTHER)),
        ("/user_email", Words(OTHER)),
        ("/user_given_name", Words(OTHER)),
        ("/user_family_name", Words(OTHER)),
        ("/org_id", Words(OTHER)),
    ],
    reads: |at, given, raw, item| {
        let name = match at {
            "/user_given_name" => Some(full_name(given.words(), raw["user_family_name"].as_str())),
            "/user_family_name" => Some(full_name(raw["user_given_name"].as_str(), given.words())),
            _ => None,
        };
        braintrust_key(at, given, item, OwnerKind::User, name)
    },
};

const BRAINTRUST_TOKEN: Record = Record {
    fields: &[
        ("/id", Words(OTHER)),
        ("/name", Words(OTHER)),
        ("/preview_name", Words(MASK)),
        ("/created", Words(ISO)),
        ("/service_account_id", Words(OTHER)),
        ("/service_account_email", Words(OTHER)),
        ("/service_account_name", Words(OTHER)),
        ("/org_id", Words(OTHER)),
    ],
    reads: |at, given, _, item| {
        let name = (at == "/service_account_name").then(|| given.text());
        braintrust_key(at, given, item, OwnerKind::ServiceAccount, name)
    },
};

fn full_name(given: Option<&str>, family: Option<&str>) -> Option<Text> {
    let parts: Vec<&str> = [given, family].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| Text::clean(&parts.join(" ")))
}

/// `name` is the owner's new name, where the field is a part of it.
fn braintrust_key(at: &str, given: &Given, item: Item, kind: OwnerKind, name: Option<Option<Text>>) -> Option<Item> {
    let Item::Key(mut key) = item else { return None };
    match at {
        "/id" => key.id = given.id()?,
        "/name" => key.name = Some(given.text()?),
        "/preview_name" => key.hint = Hint::new(given.words()?),
        "/created" => key.created_at = given.moment().at(),
        "/org_id" => key.organization = given.id(),
        "/user_id" | "/service_account_id" => {
            // The samples that name no owner give no name or mail of one either.
            let (name, email) = key.owner.take().map_or((None, None), |owner| (owner.name, owner.email));
            key.owner = given.id().map(|id| Owner { kind, id, name, email });
        }
        _ => {
            if let Some(owner) = &mut key.owner {
                match name {
                    Some(name) => owner.name = name,
                    None => owner.email = given.text(),
                }
            }
        }
    }
    Some(Item::Key(key))
}

const BRAINTRUST_USER: Record = Record {
    fields: &[("/id", Words(OTHER)), ("/given_name", Words(OTHER)), ("/family_name", Words(OTHER)), ("/email", Words(OTHER))],
    reads: |at, given, raw, item| {
        let Item::Person(mut person) = item else { return None };
        match at {
            "/id" => person.id = given.id()?,
            "/given_name" => person.name = full_name(given.words(), raw["family_name"].as_str()),
            "/family_name" => person.name = full_name(raw["given_name"].as_str(), given.words()),
            _ => person.email = given.text(),
        }
        Some(Item::Person(person))
    },
};

const DEN_KEY: Record = Record {
    fields: &[
        ("/id", Words(OTHER)),
        ("/name", Words(OTHER)),
        ("/start", Words("den_Xy")),
        ("/enabled", Flag),
        ("/createdAt", Words(ISO)),
        ("/lastRequest", Words(ISO)),
        ("/expiresAt", Words(ISO)),
        ("/owner", Object),
        ("/owner/userId", Words(OTHER)),
        ("/owner/name", Words(OTHER)),
        ("/owner/email", Words(OTHER)),
    ],
    reads: |at, given, _, item| {
        let Item::Key(mut key) = item else { return None };
        match (at, given) {
            ("/id", _) => key.id = given.id()?,
            ("/name", _) => key.name = given.text(),
            ("/start", _) => key.hint = given.words().and_then(Hint::new),
            ("/enabled", Given::Here(Value::Bool(enabled))) => key.enabled = *enabled,
            // What does not say whether it works is not taken for one that does.
            ("/enabled", _) => return None,
            ("/createdAt", _) => key.created_at = Some(given.moment().at()?),
            ("/lastRequest", _) => key.last_used = given.moment(),
            ("/expiresAt", _) => key.expires = given.moment(),
            ("/owner", Given::Here(_)) => return None,
            ("/owner", Given::Absent | Given::Null) => key.owner = None,
            _ => return in_owner(at, given, key),
        }
        Some(Item::Key(key))
    },
};

const DEN_MEMBER: Record = Record {
    fields: &[
        ("/userId", Words(OTHER)),
        ("/user", Object),
        ("/user/id", Words(OTHER)),
        ("/user/name", Words(OTHER)),
        ("/user/email", Words(OTHER)),
    ],
    reads: |at, given, raw, item| {
        let nested = raw["user"]["id"].as_str().is_some();
        let Item::Person(mut person) = item else {
            // Whoever was invited has neither id: null is how that is said.
            return match (at, given) {
                ("/userId", Given::Absent) => None,
                ("/userId", Given::Here(_)) => {
                    Some(Item::Person(Box::new(Person { id: given.id()?, kind: OwnerKind::User, name: None, email: None })))
                }
                _ => Some(Item::Skipped),
            };
        };
        match at {
            // The two say the same, or nothing is believed.
            "/userId" | "/user/id" if given.is_here() && nested => return None,
            "/userId" | "/user/id" => {}
            "/user" => (person.name, person.email) = (None, None),
            "/user/name" => person.name = given.text(),
            _ => person.email = given.text(),
        }
        Some(Item::Person(person))
    },
};

fn record(provider: &str, fetch: &Fetch) -> Record {
    match (provider, fetch.endpoint) {
        ("openai", "project_api_keys" | "admin_api_keys") => OPENAI_KEY,
        ("openai", "projects") => OPENAI_PROJECT,
        ("openai", "users") => OPENAI_USER,
        ("braintrust", "api_keys" | "organization_api_keys") => BRAINTRUST_KEY,
        ("braintrust", "service_tokens") => BRAINTRUST_TOKEN,
        ("braintrust", "users") => BRAINTRUST_USER,
        ("den", "api_keys") => DEN_KEY,
        ("den", "organization") => DEN_MEMBER,
        (provider, endpoint) => panic!("nobody wrote down what {endpoint} of {provider} may hold"),
    }
}

/// Puts a value there, or takes it away; false where there is no object to hold it.
fn put(raw: &mut Value, at: &str, value: Option<Value>) -> bool {
    let (parent, name) = at.rsplit_once('/').unwrap();
    let Some(Value::Object(fields)) = raw.pointer_mut(parent) else { return false };
    match value {
        Some(value) => drop(fields.insert(name.to_owned(), value)),
        None => drop(fields.remove(name)),
    }
    true
}

/// One value of each type of JSON; of the field's own type, those that it takes.
fn tried(takes: Takes) -> Vec<(Value, bool)> {
    let right: Vec<Value> = match takes {
        Words(words) => vec![json!(words)],
        Flag => vec![json!(true), json!(false)],
        Seconds => vec![json!(SECONDS)],
        Object => vec![json!({})],
    };
    let same = |a: &Value, b: &Value| std::mem::discriminant(a) == std::mem::discriminant(b);
    let others = [json!(true), json!(7), json!(1.5), json!(OTHER), json!([]), json!([{}]), json!({})];
    let wrong = others.into_iter().filter(|other| other.is_f64() || !same(other, &right[0]));
    wrong
        .map(|value| (value, false))
        .collect::<Vec<_>>()
        .into_iter()
        .chain(right.iter().cloned().map(|value| (value, true)))
        .collect()
}

/// Every pointer to a field of the element, as far as objects go.
fn places(raw: &Value, below: &str) -> Vec<String> {
    let Value::Object(fields) = raw else { return Vec::new() };
    let deeper = |(name, value): (&String, &Value)| {
        let at = format!("{below}/{name}");
        std::iter::once(at.clone()).chain(places(value, &at)).collect::<Vec<_>>()
    };
    fields.iter().flat_map(deeper).collect()
}

#[test]
fn each_known_field_is_read_as_documented_or_its_element_is_refused() {
    for_each_element(|provider, element| {
        let Element { fetch, raw, item } = element;
        let Record { fields, reads } = record(provider.spec().id, fetch);
        let read = |raw: &Value| provider.item(fetch, raw.to_string().as_bytes()).map_err(|refused| refused.reason);
        for (at, takes) in fields {
            let mut changed = raw.clone();
            if !put(&mut changed, at, None) {
                continue;
            }
            let expect = |given: Given, changed: &Value| {
                let expected = reads(at, &given, raw, item.clone()).ok_or(ItemReason::Malformed);
                assert_eq!(read(changed), expected, "{at}: {changed}");
            };
            expect(Given::Absent, &changed);
            put(&mut changed, at, Some(Value::Null));
            expect(Given::Null, &changed);
            for (value, is_right) in tried(*takes) {
                put(&mut changed, at, Some(value.clone()));
                if is_right {
                    expect(Given::Here(&value), &changed);
                } else {
                    assert_eq!(read(&changed), Err(ItemReason::Malformed), "{at}: {changed}");
                }
            }
        }
        // Whatever stands in the others, nothing is read into it.
        for at in places(raw, "").iter().filter(|at| fields.iter().all(|(known, _)| known != at)) {
            for value in [None, Some(Value::Null)].into_iter().chain(tried(Flag).into_iter().map(|(value, _)| Some(value))) {
                let mut changed = raw.clone();
                put(&mut changed, at, value);
                assert_eq!(read(&changed).as_ref(), Ok(item), "{at}: {changed}");
            }
        }
    });
}

#[test]
fn numbers_that_are_none_or_no_time_refuse_their_element() {
    let long = format!("1{}", "0".repeat(400));
    for_each_element(|provider, element| {
        let Record { fields, .. } = record(provider.spec().id, &element.fetch);
        for (at, _) in fields {
            for number in [
                "1e999999",
                "-1e999999",
                "-0",
                "1E9",
                "1700000000.0",
                "9223372036854775808",
                "18446744073709551616",
                "-9223372036854775809",
                &long,
                "0x10",
                "01700000000",
                "+1",
                "NaN",
                "Infinity",
            ] {
                let mut changed = element.raw.clone();
                if !put(&mut changed, at, Some(json!("@"))) {
                    continue;
                }
                let text = changed.to_string().replace("\"@\"", number);
                let read = provider.item(&element.fetch, text.as_bytes()).map_err(|refused| refused.reason);
                assert_eq!(read, Err(ItemReason::Malformed), "{at}: {text}");
            }
        }
    });
}

#[test]
fn times_to_come_are_read_as_they_stand_and_can_be_told() {
    let now = Time::from_unix(1_800_000_000);
    let mut told = Vec::new();
    for_each_element(|provider, element| {
        let Item::Key(before) = &element.item else { return };
        assert_eq!(before.ahead_of(now), None, "{}", element.raw);
        for name in element.raw.as_object().unwrap().keys() {
            for late in [json!(3_786_912_000_i64), json!("2090-01-01T00:00:00Z")] {
                let mut changed = element.raw.clone();
                changed[name] = late;
                let Ok(Item::Key(key)) = provider.item(&element.fetch, changed.to_string().as_bytes()) else { continue };
                let ahead = match (key.created_at != before.created_at, key.last_used != before.last_used) {
                    (true, _) => Some("created_at"),
                    (false, true) => Some("last_used"),
                    (false, false) => None,
                };
                assert_eq!(key.ahead_of(now), ahead, "{name}: {changed}");
                told.extend(ahead.map(|field| (provider.spec().id, field)));
            }
        }
    });
    for one in [
        ("openai", "created_at"),
        ("openai", "last_used"),
        ("den", "created_at"),
        ("den", "last_used"),
        ("braintrust", "created_at"),
    ] {
        assert!(told.contains(&one), "{one:?}");
    }
}
