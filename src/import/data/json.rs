//! JSON values as they come: a number in quotes, a missing list, a text where a number belongs is no reason to lose the rest.
//!
//! Each type here reads any JSON value and keeps what it can use, so that only broken syntax is an error.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What a value is read into when it is none of what was hoped for.
macro_rules! otherwise {
    ($($method:ident($type:ty)),*) => {
        $(fn $method<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*
    };
    (unit) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}
pub(super) use otherwise;

fn anything(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("any value")
}

/// A whole number, also one with a fraction of nothing or in quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Int(pub(super) Option<i64>);

impl Int {
    /// As a smaller kind of number, if it fits.
    pub(super) fn to<T: TryFrom<i64>>(self) -> Option<T> {
        T::try_from(self.0?).ok()
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Int;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_i64<E>(self, value: i64) -> Result<Int, E> {
                Ok(Int(Some(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Int, E> {
                Ok(Int(i64::try_from(value).ok()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Int, E> {
                let whole = value.fract() == 0.0 && value.abs() < 9e15;
                Ok(Int(whole.then_some(value as i64)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Int, E> {
                Ok(Int(value.trim().parse().ok()))
            }

            otherwise!(visit_bool(bool));
            otherwise!(unit);
            otherwise!(seq);
            otherwise!(map);
        }
        deserializer.deserialize_any(Any)
    }
}

/// A number, also in quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Float(pub(super) Option<f64>);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Float;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_i64<E>(self, value: i64) -> Result<Float, E> {
                Ok(Float(Some(value as f64)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Float, E> {
                Ok(Float(Some(value as f64)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Float, E> {
                Ok(Float(Some(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Float, E> {
                Ok(Float(value.trim().parse().ok().filter(|value: &f64| value.is_finite())))
            }

            otherwise!(visit_bool(bool));
            otherwise!(unit);
            otherwise!(seq);
            otherwise!(map);
        }
        deserializer.deserialize_any(Any)
    }
}

/// A text; of a number, its digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, if there is one that is not empty.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Borrowed(value))))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(value.to_owned()))))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text<'a>, E> {
                Ok(Text(Some(Cow::Owned(value.to_string()))))
            }

            otherwise!(visit_bool(bool));
            otherwise!(unit);
            otherwise!(seq);
            otherwise!(map);
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// True or false; any other value is neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) Option<bool>);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Flag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag(Some(value)))
            }

            otherwise!(visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
            otherwise!(unit);
            otherwise!(seq);
            otherwise!(map);
        }
        deserializer.deserialize_any(Any)
    }
}

/// An object, or nothing where something else stands.
#[derive(Clone, Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| Object(Some(one)))
            }

            otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
            otherwise!(unit);
            otherwise!(seq);
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A list of which at most `MOST` are kept, or nothing where something else stands. `left` counts the rest.
#[derive(Clone, Debug)]
pub(super) struct List<T, const MOST: usize> {
    pub(super) kept: Vec<T>,
    pub(super) left: u64,
}

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self { kept: Vec::new(), left: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Any<T, MOST> {
            type Value = List<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T, MOST>, A::Error> {
                let mut found = List::default();
                while found.kept.len() < MOST {
                    match list.next_element()? {
                        Some(one) => found.kept.push(one),
                        None => return Ok(found),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    found.left += 1;
                }
                Ok(found)
            }

            otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));
            otherwise!(unit);
            otherwise!(map);
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// Hands a text to a function without keeping it; `None` where something else stands.
pub(super) struct With<F>(pub(super) F);

impl<'de, R: Default, F: FnOnce(&str) -> R> DeserializeSeed<'de> for With<F> {
    type Value = R;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<R, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Default, F: FnOnce(&str) -> R> Visitor<'de> for With<F> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        anything(f)
    }

    fn visit_str<E>(self, value: &str) -> Result<R, E> {
        Ok((self.0)(value))
    }

    otherwise!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));
    otherwise!(unit);
    otherwise!(seq);
    otherwise!(map);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample<'a> {
        int: Int,
        float: Float,
        #[serde(borrow)]
        text: Text<'a>,
        flag: Flag,
        list: List<Int, 2>,
        object: Object<Inner>,
    }

    #[derive(Clone, Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        n: Int,
    }

    #[test]
    fn values_of_every_kind_are_read_everywhere() {
        let values = [
            "null",
            "true",
            "1",
            "-1",
            "1.5",
            "\"x\"",
            "\"7\"",
            "[1,2,3]",
            "{\"n\":4}",
            "1e300",
            "\"\\u0041\"",
        ];
        for value in values {
            let text = format!(
                r#"{{"int":{value},"float":{value},"text":{value},"flag":{value},"list":{value},"object":{value}}}"#
            );
            let read: Sample<'_> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(read.flag.0, (value == "true").then_some(true));
            assert_eq!(read.list.kept.len(), if value.starts_with('[') { 2 } else { 0 });
            assert_eq!(read.list.left, u64::from(value.starts_with('[')));
            assert_eq!(read.object.0.is_some(), value.starts_with('{'));
            assert_eq!(read.int.0.is_some(), ["1", "-1", "\"7\""].contains(&value), "{value}");
            assert_eq!(read.text.0.as_deref() == Some("A"), value.contains("0041"));
            assert_eq!(
                read.float.0.is_some(),
                ["1", "-1", "1.5", "\"7\"", "1e300"].contains(&value),
                "{value}"
            );
        }
    }
}
