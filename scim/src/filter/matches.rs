//! Evaluation of a resolved filter on a resource as it is answered.

use serde_json::{Map, Value};

use super::resolve::{comparable, instant};
use super::{Check, Operand, Operator, Resolved, Test};
use crate::path::Target;
use crate::schema::{Attribute, Kind};

impl Resolved<'_> {
    /// Whether a resource meets the filter. `object` is the resource with its names in canonical spelling, computed
    /// attributes (`id`, `meta`, `groups`, …) included.
    pub fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(object)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(object)),
            Self::Not(inner) => !inner.matches(object),
            Self::Test(test) => test.matches(object),
            Self::Element(target, inner) => {
                values(target, object).any(|element| inner.matches_element(target.attribute, element))
            }
            Self::Constant(value) => *value,
        }
    }

    /// Whether one value of an attribute meets the filter, whose targets are its sub-attributes. A plain value is its own
    /// `value`.
    pub(crate) fn matches_element(&self, attribute: &Attribute, element: &Value) -> bool {
        if attribute.kind == Kind::Complex {
            return element.as_object().is_some_and(|parts| self.matches(parts));
        }
        self.matches(&Map::from_iter([(attribute.name.clone(), element.clone())]))
    }

    /// The only values (as compared) that can meet the filter of a value path on this attribute, where it names them.
    pub(crate) fn named_values(&self, attribute: &Attribute) -> Option<Vec<&str>> {
        match self {
            Self::And(parts) => parts.iter().find_map(|part| part.named_values(attribute)),
            Self::Or(parts) => {
                let named: Option<Vec<Vec<&str>>> = parts.iter().map(|part| part.named_values(attribute)).collect();
                named.map(|named| named.concat())
            }
            Self::Test(Test { target, check: Check::Compare(Operator::Eq, Operand::Text(value)) })
                if attribute.kind != Kind::Complex || target.attribute.name == "value" =>
            {
                Some(vec![value])
            }
            Self::Constant(false) => Some(Vec::new()),
            Self::Not(_) | Self::Test(_) | Self::Element(..) | Self::Constant(true) => None,
        }
    }

    /// How many checks it makes of one value.
    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::terms).sum(),
            Self::Not(inner) | Self::Element(_, inner) => inner.terms(),
            Self::Test(_) | Self::Constant(_) => 1,
        }
    }

    /// Whether any part looks at this attribute (canonical name, core or common).
    pub fn mentions(&self, name: &str) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.mentions(name)),
            Self::Not(inner) => inner.mentions(name),
            Self::Test(Test { target, .. }) | Self::Element(target, _) => {
                target.extension.is_none() && target.attribute.name == name
            }
            Self::Constant(_) => false,
        }
    }
}

impl Test<'_> {
    fn matches(&self, object: &Map<String, Value>) -> bool {
        let leaf = self.target.leaf();
        match &self.check {
            Check::Present => values(&self.target, object).any(is_present),
            Check::Compare(Operator::Ne, operand) => {
                let mut any = false;
                let differs = values(&self.target, object).filter(|value| is_present(value)).any(|value| {
                    any = true;
                    !compare(leaf, value, Operator::Eq, operand)
                });
                differs || !any
            }
            Check::Compare(operator, operand) => {
                values(&self.target, object).any(|value| compare(leaf, value, *operator, operand))
            }
        }
    }
}

/// The values a target names: of every element where the attribute holds a list.
pub(crate) fn values<'v>(target: &Target<'_>, object: &'v Map<String, Value>) -> impl Iterator<Item = &'v Value> {
    let container = match target.extension {
        Some(extension) => object.get(&extension.id).and_then(Value::as_object),
        None => Some(object),
    };
    let value = container.and_then(|container| container.get(&target.attribute.name));
    let elements = match value {
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let sub = target.sub.map(|sub| sub.name.clone());
    elements.iter().filter_map(move |element| match &sub {
        Some(name) => element.get(name),
        None => Some(element),
    })
}

/// Whether a value counts as one: not null, not empty (C50).
pub(crate) fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Object(parts) => parts.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compare(attribute: &Attribute, value: &Value, operator: Operator, operand: &Operand) -> bool {
    match (operand, value) {
        (Operand::Text(wanted), Value::String(text)) => compare_text(&comparable(attribute, text), operator, wanted),
        (Operand::Boolean(wanted), Value::Bool(value)) => operator == Operator::Eq && value == wanted,
        (Operand::Number(wanted), Value::Number(number)) => {
            number.as_f64().is_some_and(|number| ordered(operator, number.partial_cmp(wanted)))
        }
        (Operand::Instant(wanted), Value::String(text)) if attribute.kind == Kind::DateTime => {
            instant(text).is_some_and(|instant| ordered(operator, Some(instant.cmp(wanted))))
        }
        _ => false,
    }
}

fn compare_text(text: &str, operator: Operator, wanted: &str) -> bool {
    match operator {
        Operator::Co => text.contains(wanted),
        Operator::Sw => text.starts_with(wanted),
        Operator::Ew => text.ends_with(wanted),
        _ => ordered(operator, Some(text.cmp(wanted))),
    }
}

fn ordered(operator: Operator, ordering: Option<std::cmp::Ordering>) -> bool {
    ordering.is_some_and(|ordering| match operator {
        Operator::Eq => ordering.is_eq(),
        Operator::Ne => ordering.is_ne(),
        Operator::Gt => ordering.is_gt(),
        Operator::Ge => ordering.is_ge(),
        Operator::Lt => ordering.is_lt(),
        Operator::Le => ordering.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{parse, resolve};
    use crate::schema::ENTERPRISE_USER;
    use crate::{Dialect, Reading, ResourceType, ScimType};

    fn ada() -> serde_json::Map<String, serde_json::Value> {
        let value = json!({
            "schemas": [crate::schema::USER, ENTERPRISE_USER],
            "id": "0190-A", "externalId": "Ext-1", "userName": "Ada@Example.com", "active": true,
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"value": "ada@home.example", "type": "home"},
                       {"value": "Ada@Example.com", "type": "work", "primary": true}],
            ENTERPRISE_USER: {"department": "R&D", "manager": {"value": "M1"}},
            "meta": {"resourceType": "User", "lastModified": "2026-01-02T03:04:05Z"},
        });
        value.as_object().expect("an object").clone()
    }

    fn holds(text: &str) -> bool {
        holds_in(Dialect::Auto, text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn holds_in(dialect: Dialect, text: &str) -> Result<bool, crate::Error> {
        let filter = parse(text)?;
        Ok(resolve(&filter, ResourceType::user(), &mut Reading::new(dialect))?.matches(&ada()))
    }

    #[test]
    fn c48_case_exact_decides_and_any_value_suffices() {
        assert!(holds(r#"userName eq "ADA@EXAMPLE.COM""#));
        assert!(holds(r#"externalId eq "Ext-1""#) && !holds(r#"externalId eq "ext-1""#));
        assert!(holds(r#"emails.type eq "home""#) && holds(r#"emails.type eq "work""#));
        assert!(holds(r#"emails[type eq "work" and value co "@example"]"#));
        assert!(!holds(r#"emails[type eq "home" and value co "@example.com"]"#));
        assert!(holds(r#"emails.type eq "home" and emails.value co "@example.com""#));
    }

    #[test]
    fn c49_instants_and_types() {
        assert!(holds(r#"meta.lastModified eq "2026-01-02T04:04:05+01:00""#));
        assert!(holds(r#"meta.lastModified gt "2026-01-02T03:04:04Z""#));
        assert!(holds(r#"active eq "True""#) && holds("active ne false"));
        for text in ["active gt true", "active co \"t\"", "meta.lastModified sw \"2026\"", "meta.created gt \"soon\""] {
            let error = holds_in(Dialect::Auto, text).expect_err(text);
            assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter), "{text}");
        }
        assert!(holds_in(Dialect::Rfc, r#"active eq "True""#).is_err());
    }

    #[test]
    fn c50_presence_and_absence() {
        assert!(holds("name pr") && holds("emails pr") && !holds("title pr") && !holds("addresses pr"));
        assert!(holds(r#"title ne "x""#) && holds("title eq null") && holds("userName ne null"));
        assert!(holds(r#"not (title eq "x")"#));
    }

    #[test]
    fn c51_a_complex_attribute_means_its_value() {
        assert!(holds(r#"emails co "home.example""#));
        assert!(holds(&format!(r#"{ENTERPRISE_USER}:manager eq "M1""#)) && holds(r#"manager eq "M1""#));
        assert!(holds_in(Dialect::Auto, r#"name eq "x""#).is_err());
    }

    #[test]
    fn c52_entras_filtered_sub_attribute() {
        assert!(holds(r#"emails[type eq "work"].value eq "ada@example.com""#));
        assert!(!holds(r#"emails[type eq "home"].value eq "ada@example.com""#));
    }

    #[test]
    fn c53_urns_schemas_and_meta() {
        assert!(holds(&format!(r#"{ENTERPRISE_USER}:department eq "r&d""#)));
        assert!(holds(&format!(r#"schemas eq "{ENTERPRISE_USER}""#)));
        assert!(holds(r#"meta.resourceType eq "User""#));
    }

    #[test]
    fn c54_an_unknown_attribute_matches_nobody_or_is_refused() {
        assert!(!holds(r#"shoeSize eq "x""#) && holds(r#"shoeSize ne "x""#) && !holds("shoeSize pr"));
        assert!(!holds(r#"shoes[size eq "x"]"#) && holds("shoeSize eq null"));
        let error = holds_in(Dialect::Rfc, r#"shoeSize eq "x""#).expect_err("strict");
        assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter));
    }

    #[test]
    fn c55_eq_is_neither_prefix_nor_wildcard() {
        for text in [r#"userName eq "ada""#, r#"userName eq "%""#, r#"userName co ".*""#, r#"userName co "\\""#] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn sc09_secrets_cannot_be_searched_for() {
        let error = holds_in(Dialect::Auto, r#"password sw "a""#).expect_err("refused");
        assert_eq!((error.status(), error.scim_type()), (403, Some(ScimType::Sensitive)));
    }
}
