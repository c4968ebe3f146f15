//! Reading JSON bodies without surprises (C11, SC-21, IJ-04, DO-01).

use std::collections::HashSet;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::Error;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 32;

/// Reads one JSON object.
///
/// Stricter than JSON where leniency would be read differently by two readers: a key may not come twice in one object
/// (compared without case), nothing may nest deeper than [`MAX_DEPTH`], U+0000 is not text.
///
/// # Errors
///
/// `invalidSyntax` for all of these, for anything that is not JSON in UTF-8, and for a body that is not an object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match parse(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::syntax("the body must be a JSON object")),
    }
}

/// Reads one JSON value by the rules of [`parse_object`].
///
/// # Errors
///
/// As [`parse_object`].
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::syntax("the body is not UTF-8"))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Error::syntax(describe(&error)))?;
    Ok(value)
}

fn describe(error: &serde_json::Error) -> String {
    // serde_json quotes at most a key of the client's own body; our own messages are recognised by their category.
    let position = format!("line {} column {}", error.line(), error.column());
    if error.is_data() {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or("not acceptable");
        format!("the body is not acceptable JSON: {reason} ({position})")
    } else {
        format!("the body is not valid JSON ({position})")
    }
}

struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

fn checked<E: serde::de::Error>(text: &str) -> Result<&str, E> {
    if text.contains('\0') { Err(E::custom("the character U+0000 is not allowed")) } else { Ok(text) }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        checked(value).map(|text| Value::String(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        checked::<E>(&value)?;
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?.depth;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self { depth })? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?.depth;
        let mut object = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            checked::<A::Error>(&key)?;
            if !seen.insert(key.to_lowercase()) {
                return Err(serde::de::Error::custom(
                    "a key comes twice in one object (keys are compared without case)",
                ));
            }
            let value = entries.next_value_seed(Self { depth })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Looks a key up without regard to case (RFC 7643 §2.1).
pub fn get_ignore_case<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Reads JSON that a client put inside a string (C97), to the same limits.
pub(crate) fn parse_embedded(text: &str) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = deserializer.deserialize_any(Strict { depth: MAX_DEPTH / 2 }).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_object(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn c11_a_key_may_not_come_twice_in_any_case() {
        assert!(refused(r#"{"userName":"a","username":"b"}"#).contains("twice"));
        assert!(refused(r#"{"a":{"b":1,"B":2}}"#).contains("twice"));
    }

    #[test]
    fn c11_depth_has_a_limit_and_the_stack_does_not_decide_it() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_object(deep(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert!(refused(&deep(MAX_DEPTH)).contains("nested deeper"));
        assert!(parse_object("[".repeat(100_000).as_bytes()).is_err());
        assert!(parse_object("{\"a\":".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn sc21_one_reading_of_json_or_none() {
        for text in ["[]", "1", "", "{} {}", "{\"a\":1e400}", r#"{"a":"\ud800"}"#, "\u{feff}{}", r#"{"a":1,}"#] {
            refused(text);
        }
        assert!(parse_object(b"\xff\xfe{\0}\0").is_err());
    }

    #[test]
    fn ij04_nul_is_refused_in_keys_and_values() {
        refused(r#"{"a":"x\u0000y"}"#);
        refused(r#"{"a\u0000":1}"#);
    }
}
