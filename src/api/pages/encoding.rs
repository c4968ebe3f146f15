//! Whether a client takes an answer that is compressed (RFC 9110 §12.5.3).
//!
//! Only files that are the same for everybody are served so, compressed when they were built. No answer that holds a secret is
//! compressed: its length would tell of what is in it (BREACH).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// Whether brotli is accepted; where nothing is said of encodings, it is not.
pub(super) fn accepts_brotli(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut named = None;
    for part in values.flat_map(|value| value.split(',')) {
        let (coding, parameters) = part.split_once(';').unwrap_or((part, ""));
        if coding.trim().eq_ignore_ascii_case("br") {
            named = Some(!is_zero(parameters));
        }
    }
    named.unwrap_or(false)
}

/// Whether a weight says "not at all": `q=0`, `q=0.000`.
fn is_zero(parameters: &str) -> bool {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
    });
    weight.is_some_and(|weight| weight <= 0.0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn brotli_is_sent_to_those_that_say_they_read_it() {
        let accepts = |sent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(sent));
            accepts_brotli(&headers)
        };
        for sent in ["br", "gzip, deflate, br, zstd", "gzip;q=1.0, BR;q=0.5", "br ; q=1"] {
            assert!(accepts(sent), "{sent}");
        }
        for sent in ["", "gzip", "br;q=0", "gzip, br;q=0.000", "brotli", "*"] {
            assert!(!accepts(sent), "{sent}");
        }
        assert!(!accepts_brotli(&HeaderMap::new()));
    }
}
