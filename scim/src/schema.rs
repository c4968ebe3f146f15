//! Schemas and resource types as data (RFC 7643 §7, §8.7): what the attributes are like is never an `if`.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The core schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of users (RFC 7643 §4.3).
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// Rollcall's own extension of users: what an organization knows beyond its directory.
pub const ROLLCALL_USER: &str = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User";

/// The data type of an attribute (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// An instant, RFC 3339.
    DateTime,
    /// A URI, or an id of another resource.
    Reference,
    /// Base64.
    Binary,
    /// An object of sub-attributes.
    Complex,
}

/// Who may write an attribute (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// The server only.
    ReadOnly,
    /// Anyone, any time.
    ReadWrite,
    /// Once.
    Immutable,
    /// Clients, and nobody may read it.
    WriteOnly,
}

/// When an attribute is in an answer (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Whatever the client asks for.
    Always,
    /// Never.
    Never,
    /// Unless the client says otherwise.
    Default,
    /// Only if the client names it.
    Request,
}

/// One attribute or sub-attribute with its characteristics (RFC 7643 §7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The name, in the spelling answers use. Requests may use any case.
    pub name: String,
    /// The data type of one value.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it holds a list.
    pub multi_valued: bool,
    /// For people.
    pub description: String,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether case counts in comparisons.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is in an answer.
    pub returned: Returned,
    /// `none`, `server` or `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uniqueness: Option<String>,
    /// Values a client should prefer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// What a reference may point to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// The parts of a complex attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// The sub-attribute of this name, in any case.
    pub fn sub(&self, name: &str) -> Option<&Self> {
        self.sub_attributes.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// The sub-attribute a filter or plain text means when it names only the complex attribute (C51).
    pub fn value_sub(&self) -> Option<&Self> {
        self.sub("value")
    }

    /// Whether a value path can choose among its values: it has parts, or is a list of plain values, each its own `value`.
    pub fn takes_filter(&self) -> bool {
        self.kind == Kind::Complex || self.multi_valued
    }

    /// Whether the server alone writes it.
    pub fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }

    /// Whether values compare as text (RFC 7643 §2.3).
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::String | Kind::Reference | Kind::Binary)
    }
}

/// A schema, as served at `/Schemas` (RFC 7643 §7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// `["urn:ietf:params:scim:schemas:core:2.0:Schema"]`.
    pub schemas: Vec<String>,
    /// The URN.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// What resources of this schema may carry.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// A kind of resource: its core schema and the extensions it may carry (RFC 7643 §6).
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// `User` or `Group`; also its id.
    pub name: &'static str,
    /// Relative to the base URL, with a leading slash.
    pub endpoint: &'static str,
    /// For people.
    pub description: &'static str,
    /// The core schema.
    pub core: Schema,
    /// Extensions, each optional.
    pub extensions: Vec<Schema>,
    /// The attribute whose values are kept apart from the resource, as edges; never loaded to change one of them (C108).
    pub edges: Option<&'static str>,
}

impl ResourceType {
    /// Users (RFC 7643 §4.1) with the enterprise extension (§4.3) and our own.
    pub fn user() -> &'static Self {
        static USER_TYPE: LazyLock<ResourceType> = LazyLock::new(|| ResourceType {
            name: "User",
            endpoint: "/Users",
            description: "A person of the organization",
            core: embedded(include_str!("../schemas/user.json")),
            extensions: vec![
                embedded(include_str!("../schemas/enterprise_user.json")),
                embedded(include_str!("../schemas/rollcall_user.json")),
            ],
            edges: None,
        });
        &USER_TYPE
    }

    /// Groups (RFC 7643 §4.2).
    pub fn group() -> &'static Self {
        static GROUP_TYPE: LazyLock<ResourceType> = LazyLock::new(|| ResourceType {
            name: "Group",
            endpoint: "/Groups",
            description: "A group of people and other groups",
            core: embedded(include_str!("../schemas/group.json")),
            extensions: Vec::new(),
            edges: Some("members"),
        });
        &GROUP_TYPE
    }

    /// Every resource type, in the order of `/ResourceTypes`.
    pub fn all() -> [&'static Self; 2] {
        [Self::user(), Self::group()]
    }

    /// The resource type of this name, in any case.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().into_iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// Core schema first, then the extensions.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        std::iter::once(&self.core).chain(&self.extensions)
    }

    /// The extension with this URN, in any case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// A core or common attribute by name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.core.attribute(name).or_else(|| common_attribute(name))
    }

    /// Whether the values of this attribute are kept as edges.
    pub fn is_edge(&self, attribute: &Attribute) -> bool {
        self.edges == Some(attribute.name.as_str())
    }
}

/// `schemas`, `id`, `externalId`, `meta`: what every resource has (RFC 7643 §3.1); not listed at `/Schemas` (C22).
pub fn common_attributes() -> &'static [Attribute] {
    #[derive(Deserialize)]
    struct Common {
        attributes: Vec<Attribute>,
    }
    static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
        let common: Common = serde_json::from_str(include_str!("../schemas/common.json"))
            .expect("common.json is compiled in and tested");
        common.attributes
    });
    &COMMON
}

fn common_attribute(name: &str) -> Option<&'static Attribute> {
    common_attributes().iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// Every schema served at `/Schemas`: those of the resource types, then those of the discovery documents.
pub fn all() -> &'static [Schema] {
    static ALL: LazyLock<Vec<Schema>> = LazyLock::new(|| {
        let mut schemas: Vec<Schema> =
            ResourceType::all().into_iter().flat_map(ResourceType::schemas).cloned().collect();
        schemas.extend(of_discovery().iter().cloned());
        schemas
    });
    &ALL
}

/// The schemas of the discovery documents themselves (RFC 7643 §8.7.2).
pub(crate) fn of_discovery() -> &'static [Schema] {
    static DISCOVERY: LazyLock<[Schema; 3]> = LazyLock::new(|| {
        [
            embedded(include_str!("../schemas/service_provider_config.json")),
            embedded(include_str!("../schemas/resource_type.json")),
            embedded(include_str!("../schemas/schema.json")),
        ]
    });
    &*DISCOVERY
}

fn embedded(text: &str) -> Schema {
    serde_json::from_str(text).expect("the schema files are compiled in and tested")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk<'a>(attributes: &'a [Attribute], visit: &mut impl FnMut(&'a Attribute)) {
        for attribute in attributes {
            visit(attribute);
            walk(&attribute.sub_attributes, visit);
        }
    }

    #[test]
    fn c22_schemas_parse_and_are_consistent() {
        for schema in all() {
            assert_eq!(schema.schemas, ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "{}", schema.id);
            walk(&schema.attributes, &mut |attribute| {
                let complex = attribute.kind == Kind::Complex;
                assert_eq!(complex, !attribute.sub_attributes.is_empty(), "{} {}", schema.id, attribute.name);
                let reference = attribute.kind == Kind::Reference;
                assert_eq!(reference, !attribute.reference_types.is_empty(), "{} {}", schema.id, attribute.name);
                assert!(!attribute.description.is_empty(), "{} {}", schema.id, attribute.name);
            });
        }
    }

    #[test]
    fn c22_id_and_meta_are_not_listed_and_user_name_can_be_written() {
        let user = &ResourceType::user().core;
        assert!(user.attribute("id").is_none() && user.attribute("meta").is_none());
        let user_name = user.attribute("USERNAME").expect("userName");
        assert_eq!(user_name.mutability, Mutability::ReadWrite);
        assert!(user_name.required && !user_name.case_exact);
    }

    #[test]
    fn c36_password_is_write_only_and_never_returned() {
        let password = ResourceType::user().core.attribute("password").expect("password");
        assert_eq!((password.mutability, password.returned), (Mutability::WriteOnly, Returned::Never));
    }

    #[test]
    fn common_attributes_are_known_to_every_type() {
        for kind in ResourceType::all() {
            for name in ["id", "externalId", "meta", "schemas"] {
                assert!(kind.attribute(name).is_some(), "{} {name}", kind.name);
            }
        }
    }
}
