//! How text is compared where a schema says `caseExact: false`.

use unicode_normalization::UnicodeNormalization;

/// The comparison form of a text: two texts are the same name exactly when their folds are equal (C27, C48).
///
/// Equals PRECIS `UsernameCaseMapped` (RFC 8265) for what that profile allows, and is defined for everything else an
/// identity provider may send: compatibility forms (`ｂｏｂ`, `ﬁn`) are one with their plain form, invisible characters
/// do not count, case does not count. Folding twice changes nothing. The original is what is stored and shown.
///
/// ```
/// assert_eq!(scim::fold("BJensen@Example.com"), "bjensen@example.com");
/// assert_eq!(scim::fold("ｂｏｂ"), scim::fold("bob\u{200b}"));
/// ```
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.chars().filter(|c| *c != '\u{7f}').map(|c| c.to_ascii_lowercase()).collect();
    }
    let mut folded = fold_once(text);
    // Lowering can expose a compatibility form and the other way round; two more rounds reach the fixed point.
    for _ in 0..2 {
        folded = fold_once(&folded);
    }
    folded
}

fn fold_once(text: &str) -> String {
    // Character by character: `str::to_lowercase` knows a final sigma, which would make a prefix fold differently.
    let lowered: String = text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).collect();
    lowered.nfkc().collect()
}

/// Characters that are not seen and so must not tell two names apart (Unicode `Default_Ignorable_Code_Point`).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{7f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use precis_profiles::UsernameCaseMapped;
    use precis_profiles::precis_core::profile::PrecisFastInvocation;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn un01_spellings_of_one_name_are_one() {
        for spelling in ["Bob", "BOB", "ｂｏｂ", "bob\u{200b}"] {
            assert_eq!(fold(spelling), "bob");
        }
        assert_eq!(fold("ﬁn"), fold("fin"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn un05_folding_twice_changes_nothing(text in "\\PC{0,24}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn c27_agrees_with_precis_where_precis_is_defined(text in "[a-zA-Z0-9@._éÉüÜßñÑçдДЖжяЯ中文ａＺ]{1,16}") {
            if let Ok(enforced) = UsernameCaseMapped::enforce(text.as_str()) {
                prop_assert_eq!(fold(&text), enforced.to_string());
            }
        }
    }
}
