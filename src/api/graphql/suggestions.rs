//! Names of the schema that are near a name it does not have: "did you mean". Only for callers who may introspect, since
//! they rebuild the schema (GQ-09).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::{Name, Positioned};

/// Names that are suggested at most.
const MOST: usize = 3;
/// The longest name that is compared: the effort grows with its square.
const LONGEST: usize = 64;

/// Whether names of the schema may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suggestions {
    /// The caller may introspect.
    Given,
    /// The caller may not.
    Withheld,
}

/// Names that a document can get wrong.
pub(super) enum Sought<'a> {
    /// A field or enum value of this type, or a field of this input.
    MemberOf(&'a str),
    /// An argument of this field of this type.
    ArgumentOf(&'a str, &'a str),
    /// A type.
    Type,
}

impl Suggestions {
    /// The end of a sentence about a name that is not there: empty, or what may have been meant.
    pub(super) fn near(self, name: &str, sought: Sought<'_>) -> String {
        if self == Self::Withheld || name.len() > LONGEST {
            return String::new();
        }
        let near = NAMES.near(name, &sought);
        if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
    }
}

/// The members of each type with their types, and the arguments of each field.
#[derive(Default)]
struct Names {
    members: BTreeMap<String, BTreeMap<String, String>>,
    arguments: BTreeMap<(String, String), Vec<String>>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names::read(&super::sdl()));

/// The fields of an input that are of this type.
pub(super) fn inputs_of_type(input: &str, kind: &str) -> Vec<&'static str> {
    let of_kind = |(name, of): (&'static String, &'static String)| {
        (of.trim_matches(['[', ']', '!']) == kind).then_some(name.as_str())
    };
    NAMES.members.get(input).into_iter().flatten().filter_map(of_kind).collect()
}

impl Names {
    /// Reads the names of a schema; of one that cannot be read there are none.
    fn read(sdl: &str) -> Self {
        let mut names = Self::default();
        let Ok(document) = parse_schema(sdl) else { return names };
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            let members = match definition.node.kind {
                TypeKind::Object(object) => names.note_fields(&name, &object.fields),
                TypeKind::Interface(interface) => names.note_fields(&name, &interface.fields),
                TypeKind::InputObject(input) => {
                    let field = |field: Positioned<async_graphql::parser::types::InputValueDefinition>| {
                        (field.node.name.node.to_string(), field.node.ty.node.to_string())
                    };
                    input.fields.into_iter().map(field).collect()
                }
                TypeKind::Enum(values) => {
                    values.values.into_iter().map(|value| (value.node.value.node.to_string(), String::new())).collect()
                }
                TypeKind::Scalar | TypeKind::Union(_) => BTreeMap::new(),
            };
            names.members.insert(name, members);
        }
        names
    }

    fn note_fields(&mut self, of: &str, fields: &[Positioned<FieldDefinition>]) -> BTreeMap<String, String> {
        let text = |name: &Positioned<Name>| name.node.to_string();
        for field in fields {
            let arguments = field.node.arguments.iter().map(|argument| text(&argument.node.name)).collect();
            self.arguments.insert((of.to_owned(), text(&field.node.name)), arguments);
        }
        fields.iter().map(|field| (text(&field.node.name), field.node.ty.node.to_string())).collect()
    }

    fn near(&self, name: &str, sought: &Sought<'_>) -> Vec<&str> {
        let known: Vec<&str> = match sought {
            Sought::MemberOf(of) => {
                self.members.get(*of).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect()
            }
            Sought::ArgumentOf(of, field) => {
                let arguments = self.arguments.get(&((*of).to_owned(), (*field).to_owned()));
                arguments.into_iter().flatten().map(String::as_str).collect()
            }
            Sought::Type => self.members.keys().map(String::as_str).collect(),
        };
        let mut near: Vec<(usize, &str)> = known.into_iter().map(|known| (distance(name, known), known)).collect();
        let most = 1 + name.len() / 4;
        near.retain(|(distance, _)| *distance <= most);
        near.sort_unstable();
        let nearest = near.first().map_or(0, |(distance, _)| *distance);
        near.retain(|(distance, _)| *distance <= nearest + 1);
        near.into_iter().take(MOST).map(|(_, name)| name).collect()
    }
}

/// How many letters to change, add or leave out, whatever their case, to get from one name to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.to_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, known) in other.iter().enumerate() {
            let changed = before[column] + usize::from(letter != *known);
            current.push(changed.min(before[column + 1] + 1).min(current[column] + 1));
        }
        before = current;
    }
    before.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near_are_suggested_to_those_who_may_know_them() {
        let near = |name, sought| Suggestions::Given.near(name, sought);
        assert_eq!(near("mee", Sought::MemberOf("Query")), "; did you mean me?");
        assert_eq!(near("emial", Sought::MemberOf("LoginInput")), "; did you mean email?");
        assert_eq!(near("USERNAME", Sought::MemberOf("User")), "; did you mean userName?");
        assert_eq!(near("frist", Sought::ArgumentOf("Query", "users")), "; did you mean first?");
        assert_eq!(near("Usr", Sought::Type), "; did you mean User?");
        assert_eq!(near("nothingLikeIt", Sought::MemberOf("Query")), "");
        assert_eq!(near(&"x".repeat(1_000), Sought::Type), "");
        assert_eq!(Suggestions::Withheld.near("mee", Sought::MemberOf("Query")), "");
        assert!(inputs_of_type("AuditEventFilter", "DateTime").contains(&"from"));
    }

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!((distance("", "ab"), distance("kitten", "sitting"), distance("ME", "me")), (2, 3, 0));
    }
}
