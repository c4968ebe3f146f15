//! Formats that RFC 7643 §4.1.1 prescribes for some texts: only the strict dialect insists on them (C37).

use crate::schema::{Attribute, Kind};

/// How a text must look.
pub(crate) struct Format {
    /// In words, after "must be".
    pub name: &'static str,
    /// Whether a text looks like that.
    pub holds: fn(&str) -> bool,
}

const LANGUAGE: Format = Format { name: "a language tag, such as en-US", holds: is_language };
const LANGUAGES: Format =
    Format { name: "languages as in Accept-Language, such as en-US, de;q=0.5", holds: are_languages };
const TIME_ZONE: Format = Format { name: "a time zone, such as Europe/Zurich", holds: is_time_zone };
const URI: Format = Format { name: "an absolute URI", holds: is_uri };

/// What is expected of an attribute of the standard's; `path` says where it is.
pub(crate) fn expected(attribute: &Attribute, path: &str) -> Option<Format> {
    match path {
        "locale" => Some(LANGUAGE),
        "preferredLanguage" => Some(LANGUAGES),
        "timezone" => Some(TIME_ZONE),
        _ if attribute.kind == Kind::Reference && attribute.reference_types.iter().any(|kind| kind == "external") => {
            Some(URI)
        }
        _ => None,
    }
}

/// RFC 5646, as far as its grammar goes without a registry.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_short = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = parts.next().unwrap_or_default();
    is_short(first) && first.bytes().all(|byte| byte.is_ascii_alphabetic()) && parts.all(is_short)
}

/// RFC 9110 §12.5.4.
fn are_languages(text: &str) -> bool {
    text.split(',').map(str::trim).all(|one| {
        let (language, weight) = one.split_once(';').map_or((one, None), |(language, weight)| (language, Some(weight)));
        let language = language.trim();
        let weight =
            weight.map(|weight| weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()));
        (language == "*" || is_language(language))
            && weight.is_none_or(|weight| weight.is_some_and(|weight| (0.0..=1.0).contains(&weight)))
    })
}

/// A name of the IANA time zone database, as far as it looks like one.
fn is_time_zone(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    text.split('/').all(is_part) && (text.contains('/') || text.len() <= 9)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c37_formats_are_what_the_standard_says() {
        for good in ["en", "en-US", "zh-Hant-TW"] {
            assert!(is_language(good), "{good}");
        }
        for good in ["en-US", "da, en-gb;q=0.8, *;q=0.1"] {
            assert!(are_languages(good), "{good}");
        }
        for good in ["Europe/Zurich", "UTC", "America/Argentina/Ushuaia", "Etc/GMT+5"] {
            assert!(is_time_zone(good), "{good}");
        }
        for good in ["https://pics.example/a.png?x=1", "urn:a:b", "data:image/png;base64,AA=="] {
            assert!(is_uri(good), "{good}");
        }
        for bad in ["", "xx_nowhere", "english language", "-", "en-"] {
            assert!(!is_language(bad), "{bad}");
            assert!(!are_languages(bad), "{bad}");
        }
        for bad in ["", "Pacific Standard Time", "(UTC+01:00) Bern", "/", "Somewhere2"] {
            assert!(!is_time_zone(bad), "{bad}");
        }
        for bad in ["", "not a url", "https:", "/relative", "a b:c", "https://x/<y>"] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
