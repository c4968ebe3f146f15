//! What identity providers get wrong and Rollcall reads all the same: each leniency is one [`Tolerance`] (D10).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// How the requests of one directory are read (C2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Reads leniently whatever both vendors send.
    #[default]
    Auto,
    /// Okta.
    Okta,
    /// Microsoft Entra ID.
    Entra,
    /// RFC 7643 and 7644 to the letter: no tolerance applies.
    Rfc,
}

impl Dialect {
    /// All dialects, in the order they are listed to people.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Okta, Self::Entra, Self::Rfc];

    /// The name in settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Okta => "okta",
            Self::Entra => "entra",
            Self::Rfc => "rfc",
        }
    }

    /// Whether tolerances apply: the "L" reading of the rules, against "S".
    pub const fn is_lenient(self) -> bool {
        !matches!(self, Self::Rfc)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == text)
            .ok_or_else(|| format!("unknown dialect '{text}': use auto, okta, entra or rfc"))
    }
}

/// Declares the tolerances once: variant, the name in logs, and what it forgives.
macro_rules! tolerances {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// One thing a strict server would refuse and the lenient dialects read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tolerance { $($(#[$doc])* $variant,)* }

        impl Tolerance {
            /// Every tolerance there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name under which its use is recorded.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

tolerances! {
    /// `schemas` is absent, incomplete, or names schemas nobody knows (C26, C72, C73; Okta, Entra).
    LooseSchemas => "loose_schemas",
    /// An attribute no schema has is ignored (C34, C82; both).
    UnknownAttribute => "unknown_attribute",
    /// `""` means "no value" (C35, C96; Entra clears this way, Okta echoes it).
    EmptyStringClears => "empty_string_clears",
    /// `"True"` and `"False"` are booleans (C38, C93; Entra).
    BooleanAsString => "boolean_as_string",
    /// A number where text belongs, or digits in a string where a number belongs (C30, C38, C93; Okta, Entra).
    ScalarOfOtherType => "scalar_of_other_type",
    /// One value where a list belongs, or a list of one where a value belongs (C94; Entra).
    ListOrSingle => "list_or_single",
    /// Plain text where an object with `value` belongs: `"manager": "id"` (C94; Entra).
    PlainTextForComplex => "plain_text_for_complex",
    /// An object serialised into a string (C97; Entra app roles).
    JsonInString => "json_in_string",
    /// More than one `primary: true`: the last one counts (C39).
    SeveralPrimaries => "several_primaries",
    /// `id` in a PUT body differs from the path's and is ignored (C68).
    IdInBody => "id_in_body",
    /// PUT without `externalId` keeps it (C68).
    AbsentExternalIdKept => "absent_external_id_kept",
    /// PUT of a group without `members` keeps them (C70).
    AbsentMembersKept => "absent_members_kept",
    /// `Operations` in another case (C73).
    OperationsKeyCase => "operations_key_case",
    /// A PATCH without any operation (C74; Microsoft's validator).
    NoOperations => "no_operations",
    /// `path` is `""` or null, as if it were absent (C78).
    EmptyPath => "empty_path",
    /// Read-only `schemas` and `meta` inside a path-less value (C80).
    ReadOnlyInPathless => "read_only_in_pathless",
    /// Dotted, URN-qualified or filtered names as keys of a path-less value (C82; Entra).
    PathAsKey => "path_as_key",
    /// A value path that matches nothing creates the element it describes (C87, C88; Entra).
    ValuePathCreates => "value_path_creates",
    /// `remove` carries a value: only what it names goes (C95, C102; Entra, JumpCloud).
    RemoveWithValue => "remove_with_value",
    /// A filter on an attribute no schema has matches as if nobody had a value (C54).
    UnknownAttributeInFilter => "unknown_attribute_in_filter",
    /// `sortBy` an attribute no schema has is ignored (C57).
    UnknownSortBy => "unknown_sort_by",
    /// A group member nobody knows is skipped (C107; Okta takes a refusal as final).
    UnknownMember => "unknown_member",
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The reading of one request: its dialect, and the tolerances that were needed.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    dialect: Dialect,
    used: BTreeSet<Tolerance>,
}

impl Reading {
    /// A reading in this dialect with nothing tolerated yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, used: BTreeSet::new() }
    }

    /// Whether the dialect forgives this; a yes is recorded.
    pub fn tolerates(&mut self, tolerance: Tolerance) -> bool {
        let lenient = self.dialect.is_lenient();
        if lenient {
            self.used.insert(tolerance);
        }
        lenient
    }

    /// The dialect of the directory.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What was tolerated so far (C2, C34).
    pub fn used(&self) -> &BTreeSet<Tolerance> {
        &self.used
    }
}
