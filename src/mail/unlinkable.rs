//! Text of a stranger's choice in our mails: readable, and nothing that a mail program makes a link of (EM-03).

/// The dots that separate the labels of a domain, as mail programs read them (UTS #46).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Breaks schemes, domains and addresses apart by a space: `https: //evil .example`.
///
/// A dot between digits stays, as in "version 2.1".
pub(super) fn unlinkable(text: &str) -> String {
    let text = text.replace("://", ": //");
    let mut broken = String::with_capacity(text.len() + 8);
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if DOTS.contains(&c) && separates_labels(before, rest.peek().copied()) {
            broken.push(' ');
        }
        broken.push(c);
        before = Some(c);
    }
    broken
}

/// Whether a dot between these is one of a domain: a letter at one side at least, and no space at either.
fn separates_labels(before: Option<char>, after: Option<char>) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return false };
    let is_label = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let is_number = |c: char| c.is_ascii_digit();
    is_label(before) && is_label(after) && !(is_number(before) && is_number(after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// L-10.
    #[test]
    fn no_domain_is_left_whole() {
        for (text, expected) in [
            ("see https://evil.example/x", "see https: //evil .example/x"),
            ("see evil.example", "see evil .example"),
            ("WWW.Evil.Example", "WWW .Evil .Example"),
            ("me@evil.example", "me@evil .example"),
            ("1and1.com, a1.2b.example", "1and1 .com, a1.2b .example"),
            ("evil。example", "evil 。example"),
            ("müller.example", "müller .example"),
            ("xn--a.xn--p1ai", "xn--a .xn--p1ai"),
            ("Version 2.1 is here. Have a look...", "Version 2.1 is here. Have a look..."),
            ("Acme Inc.", "Acme Inc."),
        ] {
            assert_eq!(unlinkable(text), expected);
        }
    }

    proptest! {
        /// L-10.
        #[test]
        fn no_text_has_a_domain_afterwards(text in "[a-z0-9./: @-]{0,60}") {
            let broken = unlinkable(&text);
            let letters: Vec<char> = broken.chars().collect();
            for window in letters.windows(3) {
                let is_domain = window[1] == '.' && window[0].is_alphanumeric() && window[2].is_ascii_alphabetic();
                prop_assert!(!is_domain, "{}", broken);
            }
            prop_assert!(!broken.contains("://"));
        }
    }
}
