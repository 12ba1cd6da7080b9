//! What `item` must refuse, and what it must not mind.

use keymuster::domain::{ItemReason, RemoteId};
use keymuster::providers::{Item, Provider};
use serde_json::{Value, json};

use crate::reading::{Element, SECRET, for_each_element, id};

fn item(provider: &dyn Provider, element: &Element, raw: &str) -> Result<Item, ItemReason> {
    provider.item(&element.fetch, raw.as_bytes()).map_err(|refused| refused.reason)
}

/// Calls `change` on every string in the value, at any depth.
fn each_string(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(all) => all.iter_mut().for_each(|v| each_string(v, change)),
        Value::Object(fields) => fields.values_mut().for_each(|v| each_string(v, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a_field_twice_is_refused_where_it_tells_something() {
    for_each_element(|provider, element| {
        let text = element.raw.to_string();
        for (name, value) in element.raw.as_object().unwrap() {
            let twice = format!("{{{}:{value},{}", Value::from(name.as_str()), &text[1..]);
            match item(provider, element, &twice) {
                Ok(read) => {
                    assert_eq!(read, element.item, "{twice}");
                    let is_id = value.as_str().is_some() && value.as_str() == id(&element.item).map(RemoteId::as_str);
                    assert!(!is_id, "{name} twice: {twice}");
                }
                Err(reason) => assert_eq!(reason, ItemReason::Malformed, "{twice}"),
            }
        }
    });
}

#[test]
fn unknown_fields_are_ignored() {
    for_each_element(|provider, element| {
        let mut more = element.raw.clone();
        let nested = json!({ "deep": [1, null, { "id": "x" }] });
        for value in more.as_object_mut().unwrap().values_mut() {
            if let Value::Object(inner) = value {
                inner.insert("x_new".to_owned(), nested.clone());
            }
        }
        more.as_object_mut().unwrap().insert("x_new".to_owned(), nested);
        assert_eq!(item(provider, element, &more.to_string()).as_ref(), Ok(&element.item), "{more}");
        more.as_object_mut().unwrap().extend((0..10_000).map(|n| (format!("x_{n}"), json!(n))));
        assert_eq!(item(provider, element, &more.to_string()).as_ref(), Ok(&element.item), "ten thousand fields more");
    });
}

#[test]
fn what_is_no_element_is_refused() {
    for_each_element(|provider, element| {
        let text = element.raw.to_string();
        for end in 0..text.len() {
            let part = &text.as_bytes()[..end];
            assert!(provider.item(&element.fetch, part).is_err(), "cut at {end}: {text}");
        }
        let values: Vec<&Value> = element.raw.as_object().unwrap().values().collect();
        let in_order = json!(values).to_string();
        let deep = "[".repeat(100_000);
        for other in
            ["{}", "7", "null", "true", "\"key_1\"", "[]", "[{}]", "\u{feff}{}", &in_order, &deep, &format!("{text},{text}")]
        {
            assert!(item(provider, element, other).is_err(), "{:.200}", other);
        }
    });
}

#[test]
fn ids_pass_the_gate() {
    for_each_element(|provider, element| {
        let Some(right) = id(&element.item) else { return };
        let long = "x".repeat(129);
        for garbage in ["", " ", "a b", "a/b", "..", "a?b", "a%2fb", "\u{202e}a", "\u{0}", long.as_str()] {
            let mut wrong = element.raw.clone();
            each_string(&mut wrong, &mut |text| {
                if text == right.as_str() {
                    garbage.clone_into(text);
                }
            });
            assert_ne!(wrong, element.raw, "the id {right} is nowhere in its element");
            assert_eq!(item(provider, element, &wrong.to_string()), Err(ItemReason::BadId), "{wrong}");
        }
    });
}

#[test]
fn no_secret_comes_through_text_or_complaints() {
    for_each_element(|provider, element| {
        let mut nth = 0;
        loop {
            let (mut count, mut leaky) = (0, element.raw.clone());
            each_string(&mut leaky, &mut |text| {
                if count == nth {
                    SECRET.clone_into(text);
                }
                count += 1;
            });
            match provider.item(&element.fetch, leaky.to_string().as_bytes()) {
                // Ids too: all that is read shows in it.
                Ok(read) => assert!(!format!("{read:?}").contains(SECRET), "{leaky}: {read:?}"),
                Err(refused) => assert!(!refused.detail.contains(SECRET), "{}", refused.detail),
            }
            nth += 1;
            if nth >= count {
                break;
            }
        }
        for name in element.raw.as_object().unwrap().keys() {
            let mut leaky = element.raw.clone();
            leaky[name] = json!(SECRET);
            if let Err(refused) = provider.item(&element.fetch, leaky.to_string().as_bytes()) {
                assert!(!refused.detail.contains(SECRET), "{}", refused.detail);
            }
        }
    });
}
