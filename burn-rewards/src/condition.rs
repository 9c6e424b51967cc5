//! For which rows and steps a part of a reward counts.

use crate::{RewardInput, names::hint};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rows that a part of a reward judges: those for which everything named here holds.
///
/// ```toml
/// when = { set = ["geo3k", "clevr"], field = { kind = "choice", "meta.level" = [1, 2] } }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// Data sets, one of which the row is from; all if empty.
    #[serde(skip_serializing_if = "OneOf::is_any")]
    pub set: OneOf,
    /// Fields of the row and what they must be; `a.b` is the field `b` of the object `a`. A field
    /// that is a list must hold it. A row without the field is not judged.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub field: BTreeMap<String, OneOf>,
}

/// A text, a number or a truth value, or a list of those of which one must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OneOf(Vec<Value>);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for OneOf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOf".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = serde_json::json!({ "type": ["string", "number", "boolean"] });
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl Condition {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_any() && self.field.is_empty()
    }

    /// Whether it holds for the row of `input`.
    pub fn holds(&self, input: &RewardInput<'_>) -> bool {
        let set = self.set.is_any() || self.set.0.iter().any(|v| v.as_str() == Some(input.set));
        let has = |(name, wanted): (&String, &OneOf)| {
            input.field(name).is_some_and(|found| wanted.holds(found))
        };
        set && self.field.iter().all(has)
    }

    /// Whether no row can meet both: they ask for other sets, or for other values of a field.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        let sets = !self.set.is_any() && !other.set.is_any() && !self.set.meets(&other.set);
        let apart = |(name, values): (&String, &OneOf)| {
            other.field.get(name).is_some_and(|o| !values.meets(o))
        };
        sets || self.field.iter().any(apart)
    }

    /// What makes no sense in it, whatever the data.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(wrong) = self.set.0.iter().find(|v| !v.is_string()) {
            return Some(format!(
                "when.set is {wrong}, expected the name of a data set"
            ));
        }
        let empty = self.field.iter().find(|(_, values)| values.is_any());
        empty.map(|(name, _)| format!("when.field.{name} is empty, expected a value or a list"))
    }

    /// A set that is none of `sets`, as a message.
    pub(crate) fn unknown_set(&self, sets: &[&str]) -> Option<String> {
        let names = self.set.0.iter().filter_map(Value::as_str);
        let mut unknown = names.filter(|name| !sets.contains(name));
        let name = unknown.next()?;
        let hint = hint(name, sets.iter().copied());
        Some(format!("when.set: no data set is called `{name}`{hint}"))
    }

    /// A field that no row has, as a message; of a path only its first name is looked at.
    pub(crate) fn unknown_field(&self, fields: &[&str]) -> Option<String> {
        let first = |name: &str| fields.contains(&name.split('.').next().unwrap_or(name));
        let known = |name: &str| fields.contains(&name) || first(name);
        let name = self.field.keys().find(|name| !known(name))?;
        let hint = hint(name, fields.iter().copied());
        Some(format!("when.field: no row has the field `{name}`{hint}"))
    }
}

impl OneOf {
    fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    fn holds(&self, found: &Value) -> bool {
        match found {
            Value::Array(items) => items.iter().any(|item| self.has(item)),
            found => self.has(found),
        }
    }

    fn has(&self, found: &Value) -> bool {
        self.0.iter().any(|wanted| same(wanted, found))
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|value| other.has(value))
    }
}

/// Whether two scalars are the same. Numbers are compared as numbers, and with a text by how they
/// are written: data sets have both `3` and `"3"`.
fn same(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => text(a).is_some_and(|a| Some(a) == text(b)),
    }
}

impl Serialize for OneOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            all => all.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for OneOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = match Value::deserialize(deserializer)? {
            Value::Array(values) => values,
            one => vec![one],
        };
        let scalar = |v: &Value| v.is_string() || v.is_number() || v.is_boolean();
        match values.iter().find(|v| !scalar(v)) {
            None => Ok(Self(values)),
            Some(wrong) => Err(D::Error::custom(format!(
                "found {wrong}, expected a text, a number, true or false, or a list of these"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn condition(value: Value) -> Condition {
        serde_json::from_value(value).unwrap()
    }

    fn holds(when: Value, set: &str, fields: Value) -> bool {
        let input = RewardInput::new("", "").with_set(set);
        condition(when).holds(&input.with_fields(fields.as_object().unwrap()))
    }

    #[test]
    fn everything_that_is_named_must_hold() {
        let when = || json!({"set": ["a", "b"], "field": {"kind": "choice", "m.level": [1, 2]}});
        let row = |kind: &str, level: Value| json!({"kind": kind, "m": {"level": level}});
        assert!(holds(when(), "b", row("choice", json!(2))));
        assert!(holds(when(), "b", row("choice", json!(2.0))));
        assert!(holds(when(), "b", row("choice", json!("2"))));
        assert!(!holds(when(), "c", row("choice", json!(2))));
        assert!(!holds(when(), "b", row("number", json!(2))));
        assert!(!holds(when(), "b", row("choice", json!(3))));
        assert!(!holds(when(), "b", row("choice", json!(null))));
        assert!(!holds(when(), "b", json!({"kind": "choice"})));
        assert!(holds(json!({}), "", json!({})));
    }

    #[test]
    fn a_list_in_the_row_must_hold_one_of_the_values() {
        let when = json!({"field": {"tags": ["angle", true]}});
        assert!(holds(when.clone(), "", json!({"tags": ["area", "angle"]})));
        assert!(holds(when.clone(), "", json!({"tags": true})));
        assert!(!holds(when.clone(), "", json!({"tags": []})));
        assert!(!holds(when, "", json!({"tags": {"angle": 1}})));
    }

    #[test]
    fn conditions_exclude_each_other_by_set_or_by_a_field() {
        let excludes = |a: Value, b: Value| condition(a).excludes(&condition(b));
        assert!(excludes(json!({"set": "a"}), json!({"set": ["b", "c"]})));
        assert!(!excludes(json!({"set": "a"}), json!({"set": ["a", "b"]})));
        assert!(!excludes(json!({"set": "a"}), json!({})));
        let kind = |value: Value| json!({"field": {"kind": value}});
        assert!(excludes(kind(json!(1)), kind(json!([2, "3"]))));
        assert!(!excludes(kind(json!(1)), kind(json!("1"))));
        assert!(!excludes(kind(json!(1)), json!({"field": {"level": 2}})));
    }

    #[test]
    fn what_is_no_scalar_is_refused_and_one_value_stays_one() {
        let when = json!({"set": "a", "field": {"kind": [1, "b"]}});
        assert_eq!(serde_json::to_value(condition(when.clone())).unwrap(), when);
        for wrong in [json!({"set": {"a": 1}}), json!({"field": {"x": [null]}})] {
            let message = serde_json::from_value::<Condition>(wrong)
                .unwrap_err()
                .to_string();
            assert!(message.contains("expected a text"), "{message}");
        }
        let message = serde_json::from_value::<Condition>(json!({"sett": "a"})).unwrap_err();
        assert!(message.to_string().contains("`set`"), "{message}");
    }
}
