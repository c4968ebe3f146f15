//! Passwords: their one Unicode form, and the rules for new ones (NIST SP 800-63B-4).

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;
use zxcvbn::Score;
use zxcvbn::matching::patterns::MatchPattern;

use super::Error;
use super::refusal::{Code, Refusal};

/// The longest password, in characters; and in bytes, before anything looks at it (AU-11).
pub const MAX_LENGTH: usize = 256;
const MAX_BYTES: usize = 1_024;
/// Parts of a name that are shorter say nothing.
const SHORTEST_TELLING: usize = 4;

/// A password somebody typed, in the one form in which it is hashed (UN-06).
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Reads a password: any characters but NUL, compared in the form NFKC.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED` for more than 1,024 bytes, before or after normalising.
    pub fn read(text: &str, field: &'static str) -> Result<Self, Error> {
        let normal: String = text.nfkc().take(MAX_BYTES + 1).collect();
        if text.len() > MAX_BYTES || normal.len() > MAX_BYTES || text.contains('\0') {
            let refusal = Refusal::new(Code::ValidationFailed, "a password has at most 1,024 bytes and no NUL");
            return Err(refusal.at(field).with("max", MAX_BYTES).into());
        }
        Ok(Self(SecretString::from(normal)))
    }

    /// The bytes that are hashed.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// How long passwords must be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    /// Where the password is the only factor.
    pub min_length: usize,
    /// Where there is a second one.
    pub min_length_with_mfa: usize,
}

/// Whose password it is to be: what it must not resemble.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Names, addresses, the organization, the product.
    pub words: Vec<String>,
    /// Whether there is a second factor.
    pub has_second_factor: bool,
}

impl PasswordRules {
    /// Whether this may be somebody's new password. Nothing is demanded of the kinds of characters.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `PASSWORD_POLICY` and the broken rules in `params.rules`: `min_length`, `max_length`,
    /// `similar_to_profile`, `too_easy`; with `PASSWORD_BREACHED` for a common one.
    pub fn check(&self, password: &Password, context: &Context, field: &'static str) -> Result<(), Error> {
        let text = password.0.expose_secret();
        let length = text.chars().count();
        let min = if context.has_second_factor { self.min_length_with_mfa } else { self.min_length };
        let words: Vec<String> = context.words.iter().flat_map(|word| telling_parts(word)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let judged: String = text.chars().take(100).collect();
        let entropy = zxcvbn::zxcvbn(&judged, &words);
        if is_common(&entropy, judged.chars().count()) {
            let message = "this password is one of the most used: choose another";
            return Err(Refusal::new(Code::PasswordBreached, message).at(field).into());
        }
        let mut rules = Vec::new();
        if length < min {
            rules.push("min_length");
        }
        if length > MAX_LENGTH {
            rules.push("max_length");
        }
        if resembles(text, &words) {
            rules.push("similar_to_profile");
        }
        // Spaces between words that are guessed first add nothing.
        let squeezed: String = judged.split_whitespace().collect();
        let score = entropy.score().min(zxcvbn::zxcvbn(&squeezed, &words).score());
        if score < Score::Three {
            rules.push("too_easy");
        }
        if rules.is_empty() {
            return Ok(());
        }
        let message = format!(
            "choose a password of {min} to {MAX_LENGTH} characters that is neither easy to guess nor like your name or address"
        );
        let refusal = Refusal::new(Code::PasswordPolicy, message).at(field);
        Err(refusal.with("rules", rules).with("min", min).with("max", MAX_LENGTH).into())
    }
}

/// The whole of it is a word of the list of common passwords.
fn is_common(entropy: &zxcvbn::Entropy, length: usize) -> bool {
    entropy.sequence().iter().any(|found| {
        let whole = found.i == 0 && found.j + 1 >= length;
        // The kind of dictionary is not public, its name is.
        whole
            && matches!(&found.pattern, MatchPattern::Dictionary(pattern)
            if format!("{:?}", pattern.dictionary_name) == "Passwords")
    })
}

/// A name or address and its parts, folded.
fn telling_parts(word: &str) -> Vec<String> {
    let folded = scim::fold(word);
    let parts = folded.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() >= SHORTEST_TELLING);
    let mut telling: Vec<String> = parts.map(str::to_owned).collect();
    let joined: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    telling.extend([joined, folded].into_iter().filter(|whole| whole.chars().count() >= SHORTEST_TELLING));
    telling
}

/// More than half of it is somebody's name.
fn resembles(password: &str, words: &[&str]) -> bool {
    let folded = scim::fold(password);
    let length = folded.chars().count();
    words.iter().any(|word| folded.contains(word) && word.chars().count() * 2 > length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PasswordRules = PasswordRules { min_length: 15, min_length_with_mfa: 8 };

    fn check(text: &str, has_second_factor: bool) -> Result<(), (Code, Vec<String>)> {
        let words = vec!["Babs Jensen".to_owned(), "babs.jensen@example.com".to_owned(), "Rollcall".to_owned()];
        let password = Password::read(text, "newPassword").expect("short enough");
        match RULES.check(&password, &Context { words, has_second_factor }, "newPassword") {
            Ok(()) => Ok(()),
            Err(Error::Refused(refusals)) => {
                let rules = refusals[0].params.get("rules").and_then(|rules| rules.as_array()).cloned();
                let rules = rules.unwrap_or_default();
                let rules = rules.iter().map(|rule| rule.as_str().unwrap_or("").to_owned()).collect();
                Err((refusals[0].code, rules))
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn au20_weak_passwords_are_refused_for_what_they_are() {
        for common in ["password", "qwertyuiop", "iloveyou", "trustno1"] {
            assert_eq!(check(common, true).expect_err(common).0, Code::PasswordBreached, "{common}");
        }
        for easy in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "passwordpassword",
            "password password",
            "123412341234123412",
        ] {
            assert!(check(easy, false).is_err(), "{easy}");
        }
        for similar in ["babs.jensen@example.com", "BabsJensen2026", "RollcallRollcall"] {
            assert!(check(similar, true).is_err(), "{similar}");
        }
        assert_eq!(check("vK9-pl2mQz", false), Err((Code::PasswordPolicy, vec!["min_length".to_owned()])));
        assert_eq!(check("vK9-pl2mQz", true), Ok(()), "eight are enough with a second factor");
        assert_eq!(check("correct horse battery staple yes", false), Ok(()), "no demands on kinds of characters");
    }

    #[test]
    fn au11_length_counts_characters_and_long_ones_are_whole() {
        let long = "vK9 pl2 mQz wX7 ".repeat(16);
        assert_eq!(long.chars().count(), 256);
        assert_eq!(check(&long, false), Ok(()));
        assert!(check(&format!("{long}x"), false).is_err());
        assert!(Password::read(&"x".repeat(1_025), "password").is_err());
        assert!(Password::read(&"\u{fdfa}".repeat(300), "password").is_err(), "DO-12");
        assert!(Password::read("a\0b", "password").is_err(), "IJ-04");
        let fifteen = "ü".repeat(8) + "zQ7pW3x";
        assert_eq!(check(&fifteen, false).map_err(|(_, rules)| rules.contains(&"min_length".to_owned())), Ok(()));
    }

    #[test]
    fn un06_one_password_has_one_form() {
        let composed = Password::read("café", "password").expect("read");
        let decomposed = Password::read("cafe\u{301}", "password").expect("read");
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn lg01_a_password_does_not_print_itself() {
        assert!(!format!("{:?}", Password::read("canary", "password")).contains("canary"));
    }
}
