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

/// Declares the tolerances once: variant, the name in logs, and in words what was done.
macro_rules! tolerances {
    ($($(#[$doc:meta])* $variant:ident => $name:literal: $words:literal,)*) => {
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

            /// The tolerance of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// What was done, for administrators.
            pub const fn in_words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

tolerances! {
    /// `schemas` is absent, incomplete, or names schemas nobody knows (C26, C72, C73; Okta, Entra).
    LooseSchemas => "loose_schemas":
        "the list of schemas was missing or incomplete: what the body carries says which schemas it uses",
    /// An attribute no schema has is ignored (C34, C82; both).
    UnknownAttribute => "unknown_attribute":
        "attributes that no schema has were left out",
    /// `""` means "no value" (C35, C96; Entra clears this way, Okta echoes it).
    EmptyStringClears => "empty_string_clears":
        "empty text was taken as 'no value', which clears the attribute",
    /// `"True"` and `"False"` are booleans (C38, C93; Entra).
    BooleanAsString => "boolean_as_string":
        "\"True\" and \"False\" in quotes were taken as true and false",
    /// A number or boolean where text other than `userName` belongs, or digits in a string where a number belongs (C30, C38,
    /// C93; Okta, Entra).
    ScalarOfOtherType => "scalar_of_other_type":
        "a number was taken as text, or digits in quotes as a number",
    /// One object where a list of them belongs, or a list of one object where an object belongs (C94; Entra).
    ListOrSingle => "list_or_single":
        "a single value was taken as a list of one, or a list of one as a single value",
    /// Plain text where an object with `value` belongs: `"manager": "id"`, a member by its id (C94, C102; Entra).
    PlainTextForComplex => "plain_text_for_complex":
        "plain text was taken as the 'value' of an attribute that has several parts",
    /// An object serialised into a string (C97; Entra app roles).
    JsonInString => "json_in_string":
        "JSON inside of text was read as if it had been sent as JSON",
    /// More than one `primary: true`: the last one counts (C39).
    SeveralPrimaries => "several_primaries":
        "more than one value was marked primary: the last of them is",
    /// `id` in a PUT body differs from the path's and is ignored (C68).
    IdInBody => "id_in_body":
        "the id in the body is not the one in the address, and was left out",
    /// PUT without `externalId` keeps it (C68).
    AbsentExternalIdKept => "absent_external_id_kept":
        "externalId was not sent, and was kept",
    /// PUT of a group without `members` keeps them (C70).
    AbsentMembersKept => "absent_members_kept":
        "members were not sent, and were kept",
    /// `/users` for `/Users`: a type of resources spelled in another case.
    TypeNameCase => "type_name_case":
        "the type of resources in the address was spelled in another case",
    /// A body without `Content-Type` (Okta's SPEC test).
    MissingContentType => "missing_content_type":
        "the body came without Content-Type: it was read as SCIM JSON",
    /// `Operations` in another case (C73).
    OperationsKeyCase => "operations_key_case":
        "'Operations' was spelled in another case",
    /// A PATCH without any operation (C74; Microsoft's validator).
    NoOperations => "no_operations":
        "there was no operation: nothing was to be done",
    /// `path` is `""` or null, as if it were absent (C78).
    EmptyPath => "empty_path":
        "an empty path was taken as no path",
    /// Read-only `schemas` and `meta` inside a path-less value (C80).
    ReadOnlyInPathless => "read_only_in_pathless":
        "'schemas' and 'meta' among the values were left out: the server sets them",
    /// Dotted, URN-qualified or filtered names as keys of a path-less value (C82; Entra).
    PathAsKey => "path_as_key":
        "names among the values were read as paths, such as name.givenName",
    /// A value path that matches nothing creates the element it describes (C87, C88; Entra).
    ValuePathCreates => "value_path_creates":
        "nothing matched the filter in the path: the value it describes was added",
    /// `remove` carries a value: only what it names goes (C95, C102; Entra, JumpCloud).
    RemoveWithValue => "remove_with_value":
        "a removal named values: only these were removed",
    /// A value path on an attribute that holds one value: a remove clears it if it matches (C90; Entra).
    FilterOnSingle => "filter_on_single":
        "a filter in the path of an attribute that holds one value: the value was removed if it matched",
    /// A filter on an attribute no schema has matches as if nobody had a value (C54).
    UnknownAttributeInFilter => "unknown_attribute_in_filter":
        "the filter names an attribute that no schema has: nobody has a value for it",
    /// A word or a date without quotation marks in the filter of a search (authentik, Microsoft's reference collection).
    UnquotedValue => "unquoted_value":
        "a value in the filter had no quotation marks: it was read up to the next space or bracket",
    /// `sortBy` an attribute no schema has is ignored (C57).
    UnknownSortBy => "unknown_sort_by":
        "the list was to be sorted by an attribute that no schema has: it was not sorted",
    /// A language, time zone or URI that does not look like one is kept as it is (C37; Microsoft's validator).
    UncheckedFormat => "unchecked_format":
        "a language, time zone or address does not look like one, and was kept as it is",
    /// A manager nobody is (yet) is kept (C37; Entra creates people before their managers).
    UnknownManager => "unknown_manager":
        "the manager does not exist here (yet): the reference was kept",
    /// A group member nobody knows is skipped (C107; Okta takes a refusal as final).
    UnknownMember => "unknown_member":
        "members that do not exist here were left out",
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
    denied: Option<Tolerance>,
    granted: Option<Tolerance>,
}

impl Reading {
    /// A reading in this dialect with nothing tolerated yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, used: BTreeSet::new(), denied: None, granted: None }
    }

    /// The same reading, to which this is nothing to be forgiven.
    #[must_use]
    pub fn granting(self, tolerance: Tolerance) -> Self {
        Self { granted: Some(tolerance), ..self }
    }

    /// Whether the dialect forgives this; a yes is recorded.
    pub fn tolerates(&mut self, tolerance: Tolerance) -> bool {
        if self.granted == Some(tolerance) {
            return true;
        }
        let lenient = self.dialect.is_lenient();
        if lenient {
            self.used.insert(tolerance);
        } else {
            self.denied = Some(tolerance);
        }
        lenient
    }

    /// The last tolerance that the strict dialect did not grant: what a refusal is about, if one followed.
    pub fn denied(&self) -> Option<Tolerance> {
        self.denied
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
