//! The first difference between two documents, named by the way to it.

use serde::Serialize;
use serde_json::Value;

/// A value as it is read back once it was written: numbers are the same on both sides then.
pub fn as_read(value: &impl Serialize) -> Value {
    serde_json::to_vec(value).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or(Value::Null)
}

/// The first place at which `stated` differs from `derived`, with both values.
pub fn first(stated: &Value, derived: &Value) -> Option<(String, String, String)> {
    walk(stated, derived, &mut String::new())
}

fn walk(stated: &Value, derived: &Value, way: &mut String) -> Option<(String, String, String)> {
    let length = way.len();
    let mut down = |step: String, one: &Value, other: &Value| {
        way.push_str(&step);
        let found = walk(one, other, way);
        way.truncate(length);
        found
    };
    match (stated, derived) {
        (Value::Object(one), Value::Object(other)) => {
            let dot = if length == 0 { "" } else { "." };
            let mut keys: Vec<&String> = other.keys().collect();
            keys.extend(one.keys().filter(|key| !other.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let value =
                    |from: &serde_json::Map<String, Value>| from.get(key).cloned().unwrap_or(Value::Null);
                down(format!("{dot}{key}"), &value(one), &value(other))
            })
        }
        (Value::Array(one), Value::Array(other)) => {
            let both = one.len().max(other.len());
            (0..both).find_map(|place| {
                let value = |from: &[Value]| from.get(place).cloned().unwrap_or(Value::Null);
                down(format!("[{place}]"), &value(one), &value(other))
            })
        }
        _ if stated == derived => None,
        _ => Some((way.clone(), short(stated), short(derived))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let end = text.floor_char_boundary(120);
    if end == text.len() { text } else { format!("{}…", &text[..end]) }
}
