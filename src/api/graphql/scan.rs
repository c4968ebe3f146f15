//! A linear look at a document before anything recursive sees it: size, brackets, fragments, aliases, directives, root
//! fields. The library's parser and its rules recurse without bounds of their own (a 3 kB document ended the process).

use std::collections::HashMap;

use super::GraphqlSettings;
use super::failure::Failure;
use super::lexer::{Sort, Token, malformed, tokenize, too_much};

/// What the look found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The operations: kind, name and root fields, fragments put in their places.
    pub(super) operations: Vec<Operation>,
    /// Whether the schema is asked for.
    pub(super) introspects: bool,
}

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: Option<String>,
    /// The names of its root fields, one for each time they are asked for.
    pub(super) root_fields: Vec<String>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads.
    Query,
    /// Changes.
    Mutation,
    /// Listens.
    Subscription,
}

/// Looks at a document.
///
/// # Errors
///
/// `DOCUMENT_TOO_LARGE` and `COMPLEXITY_EXCEEDED`, with the number and the limit; `GRAPHQL_PARSE_FAILED` with line and
/// column; `GRAPHQL_VALIDATION_FAILED` for fragments that go round in a circle.
pub(super) fn scan(text: &str, limits: &GraphqlSettings) -> Result<Scanned, Failure> {
    if text.len() > limits.document_bytes {
        return Err(too_much("DOCUMENT_TOO_LARGE", "bytes", text.len(), limits.document_bytes));
    }
    let tokens = tokenize(text, limits)?;
    let introspects = tokens.iter().any(|token| matches!(token.text, "__schema" | "__type"));
    let mut reader = Reader { text, tokens: &tokens, at: 0, limits, aliases: 0 };
    let document = reader.document()?;
    let operations = expand(&document, limits)?;
    if introspects {
        check_introspection(&document)?;
    }
    Ok(Scanned { operations, introspects })
}

/// A selection set: its own fields with what is in them, and the fragments put into it.
#[derive(Debug, Default)]
struct Selections<'t> {
    fields: Vec<(&'t str, Selections<'t>)>,
    /// Names of fragments.
    spreads: Vec<&'t str>,
    /// Selection sets put in by type.
    inline: Vec<Selections<'t>>,
}

#[derive(Default)]
struct Document<'t> {
    operations: Vec<(Kind, Option<&'t str>, Selections<'t>)>,
    fragments: HashMap<&'t str, Selections<'t>>,
}

/// Reads the shape of a document. Recursion is as deep as brackets are nested, which is bounded already.
struct Reader<'t, 'l> {
    text: &'t str,
    tokens: &'l [Token<'t>],
    at: usize,
    limits: &'l GraphqlSettings,
    aliases: usize,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Document<'t>, Failure> {
        let mut document = Document::default();
        if self.tokens.is_empty() {
            return Err(malformed(self.text, 0));
        }
        while let Some(token) = self.peek() {
            match (token.sort, token.text) {
                (Sort::Punctuator, "{") => {
                    let selections = self.selection_set()?;
                    document.operations.push((Kind::Query, None, selections));
                }
                (Sort::Name, "query") => self.operation(Kind::Query, &mut document)?,
                (Sort::Name, "mutation") => self.operation(Kind::Mutation, &mut document)?,
                (Sort::Name, "subscription") => self.operation(Kind::Subscription, &mut document)?,
                (Sort::Name, "fragment") => self.fragment(&mut document)?,
                _ => return Err(self.malformed()),
            }
        }
        Ok(document)
    }

    fn operation(&mut self, kind: Kind, document: &mut Document<'t>) -> Result<(), Failure> {
        self.at += 1;
        let name = self.take_name();
        self.skip_brackets("(", ")")?;
        self.directives()?;
        let selections = self.selection_set()?;
        document.operations.push((kind, name, selections));
        Ok(())
    }

    fn fragment(&mut self, document: &mut Document<'t>) -> Result<(), Failure> {
        self.at += 1;
        let name = self.take_name().ok_or_else(|| self.malformed())?;
        let on = self.take_name();
        let on_type = self.take_name();
        if on != Some("on") || on_type.is_none() {
            return Err(self.malformed());
        }
        self.directives()?;
        let selections = self.selection_set()?;
        document.fragments.insert(name, selections);
        Ok(())
    }

    fn selection_set(&mut self) -> Result<Selections<'t>, Failure> {
        self.expect("{")?;
        let mut selections = Selections::default();
        while !self.take("}") {
            if self.take("...") {
                self.spread(&mut selections)?;
            } else {
                let field = self.field()?;
                selections.fields.push(field);
            }
        }
        Ok(selections)
    }

    fn spread(&mut self, selections: &mut Selections<'t>) -> Result<(), Failure> {
        match self.take_name() {
            Some("on") => {
                self.take_name().ok_or_else(|| self.malformed())?;
                self.directives()?;
                selections.inline.push(self.selection_set()?);
            }
            Some(name) => {
                self.directives()?;
                selections.spreads.push(name);
            }
            None => {
                self.directives()?;
                selections.inline.push(self.selection_set()?);
            }
        }
        Ok(())
    }

    fn field(&mut self) -> Result<(&'t str, Selections<'t>), Failure> {
        let mut name = self.take_name().ok_or_else(|| self.malformed())?;
        if self.take(":") {
            name = self.take_name().ok_or_else(|| self.malformed())?;
            self.aliases += 1;
            if self.aliases > self.limits.aliases {
                return Err(too_much("COMPLEXITY_EXCEEDED", "aliases", self.aliases, self.limits.aliases));
            }
        }
        self.skip_brackets("(", ")")?;
        self.directives()?;
        let selections = if self.peek_is("{") { self.selection_set()? } else { Selections::default() };
        Ok((name, selections))
    }

    fn directives(&mut self) -> Result<(), Failure> {
        let mut count = 0;
        while self.take("@") {
            self.take_name().ok_or_else(|| self.malformed())?;
            self.skip_brackets("(", ")")?;
            count += 1;
            if count > self.limits.directives {
                return Err(too_much("COMPLEXITY_EXCEEDED", "directives on one field", count, self.limits.directives));
            }
        }
        Ok(())
    }

    /// Passes over a bracket and all that is in it, if there is one here.
    fn skip_brackets(&mut self, open: &str, close: &str) -> Result<(), Failure> {
        if !self.peek_is(open) {
            return Ok(());
        }
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            self.at += 1;
            if token.sort == Sort::Punctuator {
                depth += usize::from(token.text == open);
                depth -= usize::from(token.text == close);
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.malformed())
    }

    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn peek_is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.sort == Sort::Punctuator && token.text == text)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.peek_is(text);
        self.at += usize::from(found);
        found
    }

    fn take_name(&mut self) -> Option<&'t str> {
        let name = self.peek().filter(|token| token.sort == Sort::Name)?;
        self.at += 1;
        Some(name.text)
    }

    fn expect(&mut self, text: &str) -> Result<(), Failure> {
        if self.take(text) { Ok(()) } else { Err(self.malformed()) }
    }

    fn malformed(&self) -> Failure {
        let offset = self.peek().map_or(self.text.len(), |token| token.offset);
        malformed(self.text, offset)
    }
}

/// Puts fragments in their places, in numbers: each is counted once, however often it is put in.
fn expand(document: &Document<'_>, limits: &GraphqlSettings) -> Result<Vec<Operation>, Failure> {
    let mut sizes: HashMap<&str, Option<usize>> = HashMap::new();
    let mut operations = Vec::new();
    for (kind, name, selections) in &document.operations {
        check_size(size_of(selections, document, &mut sizes)?, limits)?;
        let mut root_fields = Vec::new();
        collect_root(selections, document, &mut root_fields);
        let most = if *kind == Kind::Query { limits.root_fields } else { limits.mutations };
        if root_fields.len() > most {
            return Err(too_much("COMPLEXITY_EXCEEDED", "root fields", root_fields.len(), most));
        }
        operations.push(Operation { kind: *kind, name: name.map(str::to_owned), root_fields });
    }
    // Fragments nobody uses are validated too.
    for name in document.fragments.keys() {
        check_size(size_of_fragment(name, document, &mut sizes)?, limits)?;
    }
    Ok(operations)
}

fn check_size(size: usize, limits: &GraphqlSettings) -> Result<(), Failure> {
    if size <= limits.selections {
        return Ok(());
    }
    let what = "selections (fragments put in their places)";
    Err(too_much("COMPLEXITY_EXCEEDED", what, size, limits.selections))
}

/// How much there is to visit: fields, and the fragments themselves, which cost a visit even with nothing in them.
fn size_of<'t>(
    selections: &Selections<'t>,
    document: &Document<'t>,
    sizes: &mut HashMap<&'t str, Option<usize>>,
) -> Result<usize, Failure> {
    let mut size = 0_usize;
    for (_, inner) in &selections.fields {
        size = size.saturating_add(1).saturating_add(size_of(inner, document, sizes)?);
    }
    for inner in &selections.inline {
        size = size.saturating_add(1).saturating_add(size_of(inner, document, sizes)?);
    }
    for name in &selections.spreads {
        size = size.saturating_add(1).saturating_add(size_of_fragment(name, document, sizes)?);
    }
    Ok(size)
}

/// The size of a fragment; one that is being counted already is part of itself.
fn size_of_fragment<'t>(
    name: &'t str,
    document: &Document<'t>,
    sizes: &mut HashMap<&'t str, Option<usize>>,
) -> Result<usize, Failure> {
    match sizes.get(name) {
        Some(Some(size)) => return Ok(*size),
        Some(None) => {
            return Err(Failure::new("GRAPHQL_VALIDATION_FAILED", format!("the fragment {name} is part of itself")));
        }
        None => {}
    }
    let Some(selections) = document.fragments.get(name) else { return Ok(0) };
    sizes.insert(name, None);
    let size = size_of(selections, document, sizes)?;
    sizes.insert(name, Some(size));
    Ok(size)
}

/// Lists of a type that lead to types again: one within another multiplies the schema by itself (GQ-09). What tools ask
/// needs one.
const TYPE_LISTS: &[&str] = &["fields", "inputFields", "interfaces", "possibleTypes"];

fn check_introspection(document: &Document<'_>) -> Result<(), Failure> {
    let mut known = HashMap::new();
    let mut roots: Vec<&Selections<'_>> = document.operations.iter().map(|(_, _, selections)| selections).collect();
    while let Some(root) = roots.pop() {
        for (_, asked) in root.fields.iter().filter(|(name, _)| matches!(*name, "__schema" | "__type")) {
            let nested = nested_lists(asked, document, &mut known);
            if nested > 1 {
                return Err(too_much("COMPLEXITY_EXCEEDED", "lists of types within each other", nested, 1));
            }
        }
        roots.extend(&root.inline);
        roots.extend(root.spreads.iter().filter_map(|name| document.fragments.get(name)));
    }
    Ok(())
}

/// How many lists of types are within each other at most; each fragment is looked at once.
fn nested_lists<'t>(
    selections: &Selections<'t>,
    document: &Document<'t>,
    known: &mut HashMap<&'t str, usize>,
) -> usize {
    let mut most = 0;
    for (name, inner) in &selections.fields {
        most = most.max(usize::from(TYPE_LISTS.contains(name)) + nested_lists(inner, document, known));
    }
    for inner in &selections.inline {
        most = most.max(nested_lists(inner, document, known));
    }
    for name in &selections.spreads {
        let found = match (known.get(name), document.fragments.get(name)) {
            (Some(found), _) => *found,
            (None, Some(inner)) => nested_lists(inner, document, known),
            (None, None) => 0,
        };
        known.insert(name, found);
        most = most.max(found);
    }
    most
}

/// Root fields; bounded, because the size of the whole is.
fn collect_root(selections: &Selections<'_>, document: &Document<'_>, found: &mut Vec<String>) {
    found.extend(selections.fields.iter().map(|(name, _)| (*name).to_owned()));
    for inner in &selections.inline {
        collect_root(inner, document, found);
    }
    for name in &selections.spreads {
        if let Some(inner) = document.fragments.get(name) {
            collect_root(inner, document, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    fn limits() -> GraphqlSettings {
        Config::load(None).expect("the defaults").graphql_settings()
    }

    fn code(text: &str) -> Option<String> {
        scan(text, &limits()).err().map(|failure| {
            let error: async_graphql::Error = failure.into();
            error.extensions.and_then(|extensions| extensions.get("code").map(ToString::to_string)).unwrap_or_default()
        })
    }

    #[test]
    fn gq06_nested_brackets_end_here() {
        for (open, close) in [("[", "]"), ("{a:", "}")] {
            let value = format!("{}1{}", open.repeat(1_600), close.repeat(1_600));
            assert_eq!(code(&format!("{{ a(b: {value}) }}")), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()));
        }
        assert_eq!(code(&"{a".repeat(1_600)), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()));
        assert!(code(&"{".repeat(10_000)).is_some() && code(&"[".repeat(10_000)).is_some());
    }

    #[test]
    fn gq06_a_fragment_bomb_is_counted_not_expanded() {
        let chain: String = (0..32)
            .map(|level| format!(" fragment f{level} on Query {{ ...f{next} ...f{next} }}", next = level + 1))
            .collect();
        // The last fragment says something, nothing, or is not there; or nobody uses any.
        for (start, end) in [
            ("{ ...f0 }", "fragment f32 on Query { me { accountId } }"),
            ("{ ...f0 }", "fragment f32 on Query { ...on Query { ...on Query { id } } }"),
            ("{ ...f0 }", ""),
            ("{ me { accountId } }", "fragment f32 on Query { me { accountId } }"),
        ] {
            assert_eq!(code(&format!("{start}{chain}{end}")), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()), "{end}");
        }
        let circle = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
        assert_eq!(code(circle), Some("\"GRAPHQL_VALIDATION_FAILED\"".to_owned()));
        let unused = "{ me { accountId } } fragment a on Query { ...a }";
        assert_eq!(code(unused), Some("\"GRAPHQL_VALIDATION_FAILED\"".to_owned()));
    }

    #[test]
    fn gq07_gq08_aliases_directives_and_root_fields_are_bounded() {
        let aliases: String = (0..10_000).map(|index| format!("a{index}:me ")).collect();
        assert!(code(&format!("{{ {aliases} }}")).is_some());
        let aliases: String = (0..31).map(|index| format!("a{index}:id ")).collect();
        assert_eq!(code(&format!("{{ me {{ {aliases} }} }}")), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()));
        assert_eq!(
            code(&format!("{{ me {} {{ id }} }}", "@include(if: true) ".repeat(6))),
            Some("\"COMPLEXITY_EXCEEDED\"".to_owned())
        );
        let roots = "accountPolicy { version } ".repeat(21);
        assert_eq!(code(&format!("{{ {roots} }}")), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()));
        assert_eq!(code(&format!("mutation {{ {} }}", "a ".repeat(11))), Some("\"COMPLEXITY_EXCEEDED\"".to_owned()));
        assert_eq!(code(&" ".repeat(20_000)), Some("\"DOCUMENT_TOO_LARGE\"".to_owned()));
        assert_eq!(code(&format!("{{ {} }}", "a ".repeat(3_000))), Some("\"DOCUMENT_TOO_LARGE\"".to_owned()));
    }

    #[test]
    fn what_a_document_does_is_known_before_it_runs() {
        let text = "# a comment with { ( [\nquery A($x: [Int!]! = [1]) @d { a: me { id } ...F ... on Query { x } ... @include(if: true) { y } }\n\
                    mutation B { login(input: {email: \"a } {\", password: \"\"\"x \\\"\"\" } \"\"\"}) { session { accessToken } } }\n\
                    fragment F on Query { z { w } }";
        let scanned = scan(text, &limits()).expect("well formed");
        let roots: Vec<&[String]> =
            scanned.operations.iter().map(|operation| operation.root_fields.as_slice()).collect();
        assert_eq!(roots, [&["me", "x", "y", "z"][..], &["login"][..]]);
        assert_eq!(scanned.operations[1].kind, Kind::Mutation);
        assert!(!scanned.introspects && scan("{ __schema { types { name } } }", &limits()).expect("read").introspects);
    }

    #[test]
    fn malformed_documents_say_where() {
        for bad in [
            "",
            "{",
            "{ a",
            "query",
            "{ a(b: 1 }",
            "{ a \"x }",
            "}",
            "{ ; }",
            "fragment x { a }",
            "{ ...on }",
            "nonsense { a }",
            "{ a: }",
        ] {
            assert_eq!(code(bad), Some("\"GRAPHQL_PARSE_FAILED\"".to_owned()), "{bad:?}");
        }
        let failure: async_graphql::Error = scan("{ a\n  ; }", &limits()).expect_err("refused").into();
        assert!(failure.message.contains("line 2, column 3"), "{}", failure.message);
    }

    proptest! {
        #[test]
        fn z02_no_text_makes_it_panic(text in "[{}()\\[\\]\"\\\\.:@$!a-z0-9 \n#,é]{0,200}") {
            let _ = scan(&text, &limits());
        }
    }
}
